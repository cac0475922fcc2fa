/** Tables sorted by their headers and filtered by words, in the browser: at most a few hundred rows. */

import { copy } from "./copy";
import { icon, make } from "./dom";

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
};

const wireSort = (table: HTMLTableElement): void => {
  for (const header of table.querySelectorAll<HTMLTableCellElement>("th[data-sort]")) {
    const button = make("button", { type: "button" }, header.textContent ?? "", icon("down"));
    button.addEventListener("click", () => sortBy(table, header));
    header.replaceChildren(button);
  }
};

const wireFilter = (input: HTMLInputElement): void => {
  const card = input.closest("section");
  const rows = [...(card?.querySelectorAll<HTMLTableRowElement>("tbody tr") ?? [])];
  const texts = rows.map((row) => (row.textContent ?? "").toLowerCase());
  const status = card?.querySelector("[data-flow-count]");
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, index) => {
      row.hidden = !words.every((word) => texts[index]?.includes(word));
      if (!row.hidden) shown += 1;
    });
    if (status) status.textContent = words.length ? `${shown} of ${rows.length} shown` : "";
  });
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
  document.querySelectorAll<HTMLInputElement>("[data-flow-filter]").forEach(wireFilter);
};
