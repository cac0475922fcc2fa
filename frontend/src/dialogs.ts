/** Confirmation in a dialog; without script the same link leads to a page that asks. */

const wireConfirm = (): void => {
  document.addEventListener("click", (event) => {
    const opener = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-dialog]") : null;
    const dialog = opener ? document.getElementById(opener.dataset["dialog"] ?? "") : null;
    if (dialog instanceof HTMLDialogElement) {
      event.preventDefault();
      opener?.closest<HTMLDetailsElement>("details.menu")?.removeAttribute("open");
      dialog.showModal();
    }
  });
};

/** A menu closes on Escape and on a click elsewhere. */
const wireMenus = (): void => {
  const open = (): HTMLDetailsElement | null => document.querySelector<HTMLDetailsElement>("details.menu[open]");
  document.addEventListener("click", (event) => {
    const menu = open();
    if (menu && event.target instanceof Node && !menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    const menu = open();
    if (menu && event.key === "Escape") {
      menu.open = false;
      menu.querySelector("summary")?.focus();
    }
  });
};

export const wireDialogs = (): void => {
  wireConfirm();
  wireMenus();
  document.addEventListener("click", (event) => {
    const closer = event.target instanceof Element ? event.target.closest("[data-close-dialog]") : null;
    closer?.closest("dialog")?.close();
  });
};
