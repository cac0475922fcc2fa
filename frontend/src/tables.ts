/** Tables sorted by their headers and filtered by words, in the browser: at most a few hundred rows. */

import { copy } from "./copy";
import { icon, make } from "./dom";

const FIRST_ROWS = 25;

type Direction = "ascending" | "descending";

/** Cells without a value sort last, whatever the direction: absent is not zero. */
const compare = (a: string, b: string, kind: string, direction: Direction): number => {
  if (a === "" || b === "") return a === b ? 0 : a === "" ? 1 : -1;
  const order = kind === "number" ? Number(a) - Number(b) : a.localeCompare(b, "en", { numeric: true });
  return direction === "ascending" ? order : -order;
};

const valueOf = (row: HTMLTableRowElement, column: number): string => {
  const cell = row.cells[column];
  return cell?.dataset["value"] ?? cell?.textContent?.trim() ?? "";
};

const sortBy = (table: HTMLTableElement, header: HTMLTableCellElement): void => {
  const kind = header.dataset["sort"] ?? "text";
  const before = header.getAttribute("aria-sort");
  const direction: Direction = before ? (before === "descending" ? "ascending" : "descending") : kind === "number" ? "descending" : "ascending";
  for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", direction);
  const body = table.tBodies[0];
  if (!body) return;
  const rows = [...body.rows].map((row) => ({ row, value: valueOf(row, header.cellIndex) }));
  rows.sort((a, b) => compare(a.value, b.value, kind, direction));
  body.append(...rows.map(({ row }) => row));
  table.dispatchEvent(new Event("sorted", { bubbles: true }));
};

const wireSort = (table: HTMLTableElement): void => {
  for (const header of table.querySelectorAll<HTMLTableCellElement>("th[data-sort]")) {
    const button = make("button", { type: "button" }, header.textContent ?? "", icon("down"));
    button.addEventListener("click", () => sortBy(table, header));
    header.replaceChildren(button);
  }
};

/** A long table shows its first rows, all of them at a click, and whatever matches while words are typed. */
const wireRows = (card: HTMLElement, input: HTMLInputElement): void => {
  const body = card.querySelector("tbody");
  const status = card.querySelector("[data-flow-count]");
  const showAll = card.querySelector<HTMLButtonElement>("[data-show-all]");
  let all = (body?.rows.length ?? 0) <= FIRST_ROWS;
  const show = (): void => {
    const rows = [...(body?.rows ?? [])];
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let matching = 0;
    for (const row of rows) {
      const matches = words.every((word) => (row.textContent ?? "").toLowerCase().includes(word));
      if (matches) matching += 1;
      row.hidden = !matches || (words.length === 0 && !all && matching > FIRST_ROWS);
    }
    if (status) status.textContent = words.length ? `${matching} of ${rows.length} shown` : "";
    if (showAll) {
      showAll.hidden = all || words.length > 0;
      showAll.textContent = `Show all ${rows.length}`;
    }
  };
  input.addEventListener("input", show);
  card.addEventListener("sorted", show);
  addEventListener("beforeprint", () => {
    all = true;
    show();
  });
  showAll?.addEventListener("click", () => {
    all = true;
    show();
  });
  show();
};

/** The number of a stream becomes a button that copies its display filter. */
const wireStreams = (): void => {
  for (const place of document.querySelectorAll<HTMLElement>("[data-stream]")) {
    const filter = place.closest<HTMLElement>("[data-filter]")?.dataset["filter"] ?? "";
    const button = make("button", { type: "button", class: "link", "data-stop": "", title: `Copy ${filter}` }, place.textContent ?? "");
    button.addEventListener("click", () => void copy(filter));
    place.replaceWith(button);
  }
};

export const wireTables = (): void => {
  wireStreams();
  document.querySelectorAll<HTMLTableElement>("table[data-sortable]").forEach(wireSort);
  for (const input of document.querySelectorAll<HTMLInputElement>("[data-flow-filter]")) {
    const card = input.closest("section");
    if (card) wireRows(card, input);
  }
};
