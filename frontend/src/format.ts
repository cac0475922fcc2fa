/** Values to text, in the words of report/format.py: a narrow no-break space inside numbers and before units. */

const NARROW = "\u202f";
const SIZES = ["B", "kB", "MB", "GB", "TB"];

export const count = (value: number): string => String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, NARROW);

const scaled = (value: number, units: readonly string[]): string => {
  let step = 0;
  let amount = value;
  while (amount >= 999.5 && step < units.length - 1) {
    amount /= 1000;
    step += 1;
  }
  const decimals = amount >= 99.95 || step === 0 ? 0 : amount >= 9.995 ? 1 : 2;
  return amount.toFixed(decimals) + NARROW + (units[step] ?? "");
};

export const dataSize = (bytes: number): string => scaled(bytes, SIZES);
export const byteRate = (bytesPerSecond: number): string => `${dataSize(bytesPerSecond)}/s`;
export const bitRate = (bits: number): string => scaled(bits, ["bit/s", "kbit/s", "Mbit/s", "Gbit/s"]);

export const seconds = (value: number): string => {
  if (value === 0) return `0${NARROW}s`;
  if (value < 0.001) return `${(value * 1e6).toFixed(0)}${NARROW}µs`;
  if (value < 0.9995) return `${(value * 1e3).toFixed(value < 0.00995 ? 1 : 0)}${NARROW}ms`;
  if (value < 599.5) return `${value.toFixed(1)}${NARROW}s`;
  return timeLeft(value);
};

/** Rough on purpose: an estimate with decimals would claim too much. */
export const timeLeft = (value: number): string => {
  const whole = Math.max(1, Math.round(value));
  if (whole < 60) return `${whole}${NARROW}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}${NARROW}min ${String(whole % 60).padStart(2, "0")}${NARROW}s`;
  const minutes = Math.round(whole / 60);
  return `${Math.floor(minutes / 60)}${NARROW}h ${String(minutes % 60).padStart(2, "0")}${NARROW}min`;
};

export const percent = (value: number): string => `${Math.floor(value)}${NARROW}%`;

/** A file name as the lists show it: the server writes what cannot be seen, or turns the text after it, as U+FFFD. */
export const fileName = (name: string): string => name.replace(/(?! )[\p{C}\p{Z}]/gu, "\ufffd");

const DAY_S = 86_400;

/** Time of day in UTC with as many decimals as the step needs; with or as the date where the span is of days. */
export const clock = (epochSeconds: number, stepSeconds: number, spanSeconds = 0): string => {
  const moment = new Date(epochSeconds * 1000);
  if (Number.isNaN(moment.getTime())) return "—";
  const text = moment.toISOString();
  if (stepSeconds >= DAY_S) return text.slice(0, 10);
  if (spanSeconds > DAY_S) return `${text.slice(5, 10)} ${text.slice(11, 16)}`;
  const decimals = stepSeconds >= 1 ? 0 : Math.min(3, Math.ceil(-Math.log10(stepSeconds)));
  return decimals ? text.slice(11, 20 + decimals) : text.slice(11, 19);
};

/** "Today, 10:21", "Yesterday, 17:30", "20 Nov, 16:44" in the reader's own time zone. */
export const when = (moment: Date, now: Date): string => {
  const time = moment.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  const dayOf = (date: Date): number => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
  const days = Math.round((dayOf(now) - dayOf(moment)) / 86_400_000);
  if (days === 0) return `Today, ${time}`;
  if (days === 1) return `Yesterday, ${time}`;
  const sameYear = moment.getFullYear() === now.getFullYear();
  const date = moment.toLocaleDateString("en-GB", { day: "numeric", month: "short", ...(sameYear ? {} : { year: "numeric" }) });
  return `${date}, ${time}`;
};
