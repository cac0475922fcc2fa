/** Keys: `/` search, `u` upload, `j` and `k` move, Enter opens (the browser's own), `c` copies a filter, `?` lists. */

import { copy } from "./copy";
import { isTyping } from "./dom";

const isShown = (element: HTMLElement): boolean => element.getClientRects().length > 0;

const stops = (): HTMLElement[] => [...document.querySelectorAll<HTMLElement>("[data-stop]")].filter(isShown);

const mark = (element: HTMLElement): void => {
  for (const row of document.querySelectorAll("tr[data-current]")) row.removeAttribute("data-current");
  element.closest("tr")?.setAttribute("data-current", "");
};

const move = (by: 1 | -1): void => {
  const all = stops();
  const at = all.indexOf(document.activeElement as HTMLElement);
  const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : at + by];
  if (!next) return;
  next.focus();
  next.scrollIntoView({ block: "nearest" });
};

const copyFilter = (): void => {
  const focused = document.activeElement;
  const holder = focused?.closest("[data-filter]") ?? focused?.closest("details")?.querySelector("[data-filter]");
  const filter = holder?.getAttribute("data-filter") ?? document.querySelector("[data-filter]")?.getAttribute("data-filter");
  if (filter) void copy(filter);
};

const actions: Record<string, () => void> = {
  j: () => move(1),
  k: () => move(-1),
  c: copyFilter,
  u: () => document.querySelector<HTMLElement>("[data-choose-files]")?.click(),
  "/": () => document.querySelector<HTMLInputElement>("input[type=search]")?.focus(),
  "?": () => document.querySelector<HTMLDialogElement>("#shortcuts")?.showModal(),
};

export const wireKeys = (): void => {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (isTyping(event.target)) {
      if (event.key === "Escape" && event.target instanceof HTMLInputElement) event.target.blur();
      return;
    }
    const action = actions[event.key];
    if (!action || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    action();
  });
  document.addEventListener("focusin", (event) => {
    if (event.target instanceof HTMLElement && event.target.matches("[data-stop]")) mark(event.target);
  });
};
