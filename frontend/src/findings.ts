/** Findings open from a link (#f3), all at once by the button, and all for print; the contents mark where one is. */

const showAll = (): void => {
  for (const finding of document.querySelectorAll<HTMLElement>("details.find[hidden]")) finding.hidden = false;
  document.querySelector("[data-show-findings]")?.closest(".foot")?.remove();
};

/** A long list shows the findings that cost most, and the others at a click. */
const wireShowAll = (all: readonly HTMLDetailsElement[]): void => {
  const button = document.querySelector<HTMLButtonElement>("[data-show-findings]");
  if (!button) return;
  for (const finding of all.slice(Number(button.dataset["showFindings"]))) finding.hidden = true;
  button.addEventListener("click", showAll);
  addEventListener("beforeprint", showAll);
};

const openTarget = (): void => {
  const target = location.hash.length > 1 ? document.getElementById(location.hash.slice(1)) : null;
  if (target instanceof HTMLDetailsElement) {
    if (target.hidden) showAll();
    target.open = true;
    target.scrollIntoView();
  }
};

const wireExpandAll = (all: readonly HTMLDetailsElement[]): void => {
  const button = document.querySelector<HTMLButtonElement>("[data-expand-all]");
  button?.addEventListener("click", () => {
    const open = button.getAttribute("aria-expanded") !== "true";
    for (const finding of all) finding.open = open;
    button.setAttribute("aria-expanded", String(open));
    button.textContent = open ? "Collapse all" : "Expand all";
  });
};

const wirePrint = (all: readonly HTMLDetailsElement[]): void => {
  let closed: HTMLDetailsElement[] = [];
  addEventListener("beforeprint", () => {
    closed = all.filter((finding) => !finding.open);
    for (const finding of closed) finding.open = true;
  });
  addEventListener("afterprint", () => {
    for (const finding of closed) finding.open = false;
  });
};

const wireContents = (): void => {
  const links = [...document.querySelectorAll<HTMLAnchorElement>(".toc a")];
  const sections = links.map((link) => document.getElementById(link.hash.slice(1)));
  const markCurrent = (): void => {
    const atEnd = innerHeight + scrollY >= document.documentElement.scrollHeight - 4;
    const above = sections.filter((section) => section && section.getBoundingClientRect().top < innerHeight / 3).length;
    const current = atEnd && scrollY > 0 ? links.length - 1 : Math.max(0, above - 1);
    links.forEach((link, index) => {
      if (index === current) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    });
  };
  if (links.length === 0) return;
  addEventListener("scroll", markCurrent, { passive: true });
  markCurrent();
};

export const wireFindings = (): void => {
  const all = [...document.querySelectorAll<HTMLDetailsElement>("details.find")];
  wireShowAll(all);
  wireExpandAll(all);
  wirePrint(all);
  wireContents();
  addEventListener("hashchange", openTarget);
  openTarget();
};
