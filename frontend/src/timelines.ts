/** What the timelines show: the columns of the data block, and the four panels made of them. */

import { bitRate, count, seconds } from "./format";

type Column = readonly (number | null)[];

/** As report/figures.py writes it: one value a step, null where nothing was measured. */
export interface TimelineData {
  readonly start_s: number;
  readonly step_s: number;
  readonly response_s: Column;
  readonly response_max_s: Column;
  readonly to_client_bps: Column;
  readonly to_server_bps: Column;
  readonly rtt_ms: Column;
  readonly rtt_max_ms: Column;
  readonly retransmissions: Column;
  readonly connections: Column;
}

export interface Line {
  readonly name: string;
  readonly values: Column;
  /** A category of waiting: gives the colour. */
  readonly colour: string;
  readonly style: "line" | "area" | "filled-line" | "bars";
}

export interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly lines: readonly Line[];
  readonly text: (value: number) => string;
  /** What values are divided by on the axis, so that its numbers stay short. */
  readonly axisUnit: number;
  /** Counts have no halves. */
  readonly smallestStep: number;
}

/** Whether there is anything to draw: a line of nothing but gaps, or bars that are all zero, says it better in words. */
export const isEmpty = (panel: Panel): boolean =>
  panel.lines.every((line) => line.values.every((value) => value === null || (value === 0 && line.style === "bars")));

/** The largest of 1, 10^3, 10^6, 10^9 that the values reach. */
const unitOf = (columns: readonly Column[]): number => {
  const largest = columns.reduce((most, column) => column.reduce<number>((top, value) => Math.max(top, value ?? 0), most), 0);
  return largest >= 1e9 ? 1e9 : largest >= 1e6 ? 1e6 : largest >= 1e3 ? 1e3 : 1;
};

const RATES: Record<number, string> = { 1: "bit/s", 1e3: "kbit/s", 1e6: "Mbit/s", 1e9: "Gbit/s" };
const milliseconds = (value: number): string => (value < 99.95 ? `${value.toFixed(1)}\u202fms` : seconds(value / 1000));

const responsePanel = (data: TimelineData): Panel => {
  const inMilliseconds = unitOf([data.response_max_s]) === 1 && !data.response_max_s.some((value) => value !== null && value >= 1);
  return {
    title: "Server response",
    unit: `${inMilliseconds ? "ms" : "s"}, mean and slowest`,
    lines: [
      { name: "slowest", values: data.response_max_s, colour: "server_thinking", style: "area" },
      { name: "mean", values: data.response_s, colour: "server_thinking", style: "line" },
    ],
    text: seconds,
    axisUnit: inMilliseconds ? 1e-3 : 1,
    smallestStep: 0.001,
  };
};

export const panelsOf = (data: TimelineData): Panel[] => {
  const rate = unitOf([data.to_client_bps, data.to_server_bps]);
  return [
    responsePanel(data),
    {
      title: "Throughput",
      unit: `${RATES[rate] ?? "bit/s"}, to client and to server`,
      lines: [
        { name: "to client", values: data.to_client_bps, colour: "response_transfer", style: "filled-line" },
        { name: "to server", values: data.to_server_bps, colour: "tcp_connect", style: "line" },
      ],
      text: bitRate,
      axisUnit: rate,
      smallestStep: 0.001,
    },
    {
      title: "Round-trip time",
      unit: "ms, delayed ACKs included: mean and longest",
      lines: [
        { name: "longest", values: data.rtt_max_ms, colour: "path_delay", style: "area" },
        { name: "mean", values: data.rtt_ms, colour: "path_delay", style: "line" },
      ],
      text: milliseconds,
      axisUnit: 1,
      smallestStep: 0.001,
    },
    {
      title: "Retransmissions",
      unit: data.step_s === 1 ? "per second" : `per ${seconds(data.step_s)}`,
      lines: [{ name: "", values: data.retransmissions, colour: "loss_recovery", style: "bars" }],
      text: count,
      axisUnit: 1,
      smallestStep: 1,
    },
  ];
};

/** Columns of the data table: header, and the text of a step. */
export const tableColumns = (data: TimelineData): readonly (readonly [string, (step: number) => string])[] => {
  const cell = (column: Column, text: (value: number) => string) => (step: number): string => {
    const value = column[step];
    return value === null || value === undefined ? "—" : text(value);
  };
  return [
    ["Response, mean", cell(data.response_s, seconds)],
    ["Response, slowest", cell(data.response_max_s, seconds)],
    ["To client", cell(data.to_client_bps, bitRate)],
    ["To server", cell(data.to_server_bps, bitRate)],
    ["RTT, mean", cell(data.rtt_ms, milliseconds)],
    ["RTT, longest", cell(data.rtt_max_ms, milliseconds)],
    ["Retransmissions", cell(data.retransmissions, count)],
    ["Connections", cell(data.connections, count)],
  ];
};
