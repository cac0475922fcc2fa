/**
 * The timelines: four uPlot panels under one time axis, with one cursor and one zoom. Dragging zooms; the buttons of
 * the toolbar do the same, and the data table holds the same numbers.
 */

import uPlot from "uplot";

import { colourOf, withAlpha } from "./colours";
import { make } from "./dom";
import { clock, count } from "./format";
import { type Line, type Panel, type TimelineData, isEmpty, panelsOf, tableColumns } from "./timelines";

const AXIS_WIDTH = 56;
const SYNC = "timelines";
/** Steps of a time axis that people count in, in seconds. */
const TIME_STEPS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200,
  ...[1, 2, 7, 14, 28, 91, 182, 365, 730, 1825].map((days) => days * 86_400)];

const VALUE_STEPS = [-3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9].flatMap((power) => [1, 2, 5].map((digit) => digit * 10 ** power));

interface Chart {
  readonly plot: uPlot;
  readonly host: HTMLElement;
  readonly reads: readonly HTMLElement[];
  readonly panel: Panel;
}

const seriesOf = (line: Line, axisUnit: number): uPlot.Series => {
  const stroke = (): string => colourOf(line.colour);
  const base: uPlot.Series = { label: line.name, scale: "y", value: (_, value) => (value === null ? "—" : String(value * axisUnit)) };
  switch (line.style) {
    case "area":
      return { ...base, width: 0, points: isolated(() => withAlpha(stroke(), 0.5)), fill: () => withAlpha(stroke(), 0.26) };
    case "bars":
      return { ...base, stroke, width: 0, fill: stroke, points: { show: false }, ...barPaths() };
    case "filled-line":
      return { ...base, stroke, width: 1.5, points: isolated(stroke), fill: () => withAlpha(stroke(), 0.18) };
    default:
      return { ...base, stroke, width: 1.75, points: isolated(stroke) };
  }
};

/** A value between two gaps has no line to stand on: it becomes a point, and only it. */
const isolated = (fill: () => string): uPlot.Series.Points => ({
  show: true,
  size: 5,
  width: 0,
  fill,
  filter: (plot, index) => {
    const values = plot.data[index] ?? [];
    const isGap = (at: number): boolean => values[at] === null || values[at] === undefined;
    return [...values.keys()].filter((at) => !isGap(at) && isGap(at - 1) && isGap(at + 1));
  },
});

const barPaths = (): Pick<uPlot.Series, "paths"> => {
  const paths = uPlot.paths.bars?.({ size: [0.7, 6, 2] });
  return paths ? { paths } : {};
};

const axesOf = (data: TimelineData, smallestStep: number, last: boolean): uPlot.Axis[] => {
  const span = data.step_s * data.retransmissions.length;
  const line = (): string => colourOf("", "--line");
  const text = (): string => colourOf("", "--text-3");
  const font = `11px ${getComputedStyle(document.body).fontFamily}`;
  return [
    {
      show: last, stroke: text, font, size: 28, gap: 8, space: 76, incrs: TIME_STEPS,
      grid: { stroke: line, width: 1 }, ticks: { show: false },
      values: (_, splits, __, ___, step) => splits.map((split) => clock(data.start_s + split, step, span)),
    },
    {
      stroke: text, font, size: AXIS_WIDTH, incrs: VALUE_STEPS.filter((step) => step >= smallestStep), gap: 6, space: 26, grid: { stroke: line, width: 1 }, ticks: { show: false },
      values: (_, splits) => splits.map((split) => (split >= 1000 ? count(split) : String(Number(split.toFixed(3))))),
    },
  ];
};

const optionsOf = (data: TimelineData, panel: Panel, host: HTMLElement, last: boolean): uPlot.Options => ({
  width: host.clientWidth,
  height: host.clientHeight,
  padding: [6, 34, last ? 0 : 6, 0],
  legend: { show: false },
  cursor: {
    y: false,
    points: { size: 6 },
    drag: { x: true, y: false, setScale: true },
    sync: { key: SYNC, scales: ["x", null] },
  },
  scales: {
    x: { time: false, range: (_, from, to) => (to > from ? [from, to] : [from, from + data.step_s]) },
    y: { range: (_, __, most) => [0, most > 0 ? most * 1.08 : 1] },
  },
  axes: axesOf(data, panel.smallestStep, last),
  series: [{}, ...panel.lines.map((lineOf) => seriesOf(lineOf, panel.axisUnit))],
});

const columnsOf = (data: TimelineData, panel: Panel): uPlot.AlignedData => [
  panel.lines[0]?.values.map((_, step) => step * data.step_s) ?? [],
  ...panel.lines.map((line) => line.values.map((value) => (value === null ? null : value / panel.axisUnit))),
];

const peakOf = (line: Line, from: number, to: number): number | null =>
  line.values.slice(from, to + 1).reduce<number | null>((top, value) => (value === null ? top : Math.max(top ?? value, value)), null);

/** Values under the cursor; without a cursor, the peaks of what is in view. */
const showReads = (chart: Chart): void => {
  const { plot, panel, reads } = chart;
  const [from, to] = plot.series[0]?.idxs ?? [0, 0];
  panel.lines.forEach((line, index) => {
    const at = plot.cursor.idx;
    const value = at === null || at === undefined ? peakOf(line, from, to) : (line.values[at] ?? null);
    const words = value === null ? "—" : panel.text(value);
    const place = reads[index]?.querySelector("b");
    if (place) place.textContent = `${at === null || at === undefined ? "peak " : ""}${words}${line.name ? ` ${line.name}` : ""}`;
  });
};

const build = (data: TimelineData, panel: Panel, last: boolean, into: HTMLElement): Chart => {
  const reads = panel.lines.map((line) =>
    make("span", { class: line.style === "area" ? "read soft" : "read" }, make("i", { class: `swatch ${line.colour}` }), make("b")),
  );
  const peaks = panel.lines.map((line) => {
    const peak = peakOf(line, 0, line.values.length);
    return `${line.name} ${peak === null ? "not measured" : `peak ${panel.text(peak)}`}`;
  });
  const host = make("div", { class: last ? "plot last" : "plot", role: "img", "aria-label": `${panel.title}: ${peaks.join(", ")}` });
  const caption = make("div", { class: "caption" }, make("h3", {}, panel.title), make("span", { class: "mut" }, panel.unit), make("span", { class: "grow" }), ...reads);
  into.append(make("div", { class: "chart" }, caption, host));
  const chart: Chart = { plot: new uPlot(optionsOf(data, panel, host, last), columnsOf(data, panel), host), host, reads, panel };
  return chart;
};

const emptyChart = (panel: Panel): HTMLElement => {
  const words = panel.lines.some((line) => line.style === "bars") ? "none in this capture" : "not measured in this capture";
  return make("div", { class: "chart" }, make("div", { class: "caption" }, make("h3", {}, panel.title), make("span", { class: "mut" }, words)));
};

/** One zoom for all panels: whichever changes, the others follow. */
const linkZoom = (charts: readonly Chart[], whole: number): ((from: number, to: number) => void) => {
  let following = false;
  const reset = document.querySelector<HTMLButtonElement>("[data-zoom=reset]");
  const zoom = (from: number, to: number): void => {
    following = true;
    for (const { plot } of charts) plot.setScale("x", { min: Math.max(0, from), max: Math.min(whole, to) });
    following = false;
    for (const chart of charts) showReads(chart);
    if (reset) reset.disabled = from <= 0 && to >= whole;
  };
  for (const { plot } of charts) {
    (plot.hooks.setScale ??= []).push((changed, key) => {
      const { min, max } = changed.scales["x"] ?? {};
      if (key === "x" && !following && typeof min === "number" && typeof max === "number") queueMicrotask(() => zoom(min, max));
    });
  }
  return zoom;
};

const wireToolbar = (charts: readonly Chart[], whole: number, step: number, zoom: (from: number, to: number) => void): void => {
  const first = charts[0]?.plot;
  const moves: Record<string, (from: number, to: number, width: number) => [number, number]> = {
    in: (from, to, width) => [from + width / 4, to - width / 4],
    out: (from, to, width) => [from - width / 2, to + width / 2],
    earlier: (from, _, width) => [Math.max(0, from - width / 2), Math.max(0, from - width / 2) + width],
    later: (_, to, width) => [Math.min(whole, to + width / 2) - width, Math.min(whole, to + width / 2)],
    reset: () => [0, whole],
  };
  for (const button of document.querySelectorAll<HTMLButtonElement>("[data-zoom]")) {
    button.addEventListener("click", () => {
      const scale = first?.scales["x"];
      const from = scale?.min ?? 0;
      const to = scale?.max ?? whole;
      const next = moves[button.dataset["zoom"] ?? ""]?.(from, to, to - from);
      if (next && next[1] - next[0] >= step) zoom(...next);
    });
  }
};

const wireTwin = (data: TimelineData): void => {
  const button = document.querySelector<HTMLButtonElement>("[data-twin]");
  const twin = document.getElementById("timelines-table");
  button?.addEventListener("click", () => {
    if (!twin) return;
    if (!twin.firstChild) twin.append(tableOf(data));
    twin.hidden = !twin.hidden;
    button.setAttribute("aria-expanded", String(!twin.hidden));
  });
};

const tableOf = (data: TimelineData): HTMLTableElement => {
  const columns = tableColumns(data);
  const head = make("tr", {}, make("th", { scope: "col" }, "Time, UTC"), ...columns.map(([title]) => make("th", { scope: "col", class: "n" }, title)));
  const rows = data.retransmissions.map((_, step) =>
    make("tr", {}, make("td", { class: "mono" }, clock(data.start_s + step * data.step_s, data.step_s, data.step_s * data.retransmissions.length)), ...columns.map(([, text]) => make("td", { class: "n" }, text(step)))),
  );
  return make("table", {}, make("caption", { class: "vh" }, "Data of the timelines"), make("thead", {}, head), make("tbody", {}, ...rows));
};

/** The time under the cursor, at the foot of the last panel. */
const wireClock = (charts: readonly Chart[], data: TimelineData): void => {
  const chart = charts.at(-1);
  if (!chart) return;
  const label = make("div", { class: "cursor-time", "aria-hidden": "true" });
  label.hidden = true;
  chart.plot.over.append(label);
  (chart.plot.hooks.setCursor ??= []).push(({ cursor }) => {
    const at = cursor.idx;
    label.hidden = at === null || at === undefined || (cursor.left ?? -1) < 0;
    if (label.hidden || typeof at !== "number") return;
    label.textContent = clock(data.start_s + at * data.step_s, data.step_s, data.step_s * data.retransmissions.length);
    label.style.left = `${cursor.left ?? 0}px`;
  });
};

export const wireCharts = (): void => {
  const place = document.querySelector<HTMLElement>("[data-charts]");
  const source = document.getElementById("timeline-data")?.textContent;
  if (!place || !source) return;
  const data = JSON.parse(source) as TimelineData;
  wireTwin(data);
  const steps = data.retransmissions.length;
  if (steps < 3) {
    for (const button of document.querySelectorAll<HTMLElement>("[data-zoom]")) button.hidden = true;
    place.append(make("p", { class: "empty" }, "The capture is too short for a line over time; its few steps are in the data table."));
    return;
  }
  const panels = panelsOf(data);
  const drawn = panels.filter((panel) => !isEmpty(panel));
  const charts = drawn.map((panel, index) => build(data, panel, index === drawn.length - 1, place));
  for (const panel of panels.filter(isEmpty)) place.append(emptyChart(panel));
  const whole = (steps - 1) * data.step_s;
  for (const chart of charts) {
    (chart.plot.hooks.setCursor ??= []).push(() => showReads(chart));
    showReads(chart);
  }
  wireClock(charts, data);
  wireToolbar(charts, whole, data.step_s, linkZoom(charts, whole));
  new ResizeObserver(() => {
    for (const { plot, host } of charts) if (host.clientWidth > 0) plot.setSize({ width: host.clientWidth, height: host.clientHeight });
  }).observe(place);
  document.addEventListener("themechange", () => {
    for (const { plot } of charts) plot.redraw(false, true);
  });
};
