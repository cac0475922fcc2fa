/** Uploads: several files in turn, each with its rate and time left; afterwards its row follows the analysis. */

import { icon, make } from "./dom";
import { byteRate, dataSize, fileName, percent, timeLeft } from "./format";
import { follow } from "./live";

/** The rate is the mean over this window: long enough to be calm, short enough to tell the truth. */
const RATE_WINDOW_MS = 4000;

interface Accepted {
  readonly id: string;
  readonly url: string;
}

interface Problem {
  readonly title?: string;
  readonly detail?: string;
  readonly error_id?: string;
}

interface Job {
  readonly file: File;
  readonly name: string;
  readonly row: HTMLElement;
  readonly bar: HTMLProgressElement;
  readonly percentage: HTMLElement;
  readonly figures: HTMLElement;
  request: XMLHttpRequest | null;
  cancelled: boolean;
}

const waiting: Job[] = [];
let current: Job | null = null;

const list = (): HTMLElement | null => document.querySelector<HTMLElement>("[data-jobs]");

const revealList = (): void => {
  const card = list()?.closest<HTMLElement>("section");
  if (card) card.hidden = false;
  document.querySelector(".home")?.classList.remove("alone");
};

const iconButton = (label: string, name: string): HTMLButtonElement =>
  make("button", { type: "button", class: "btn quiet small icon", "aria-label": label }, icon(name));

const rowFor = (file: File): Job => {
  const shown = fileName(file.name);
  const bar = make("progress", { max: "100", value: "0", "aria-label": `Uploading ${shown}` });
  const percentage = make("span", { class: "num sm" });
  const figures = make("div", { class: "l2" }, make("span", {}, `${dataSize(file.size)}, waiting for its turn`));
  const cancel = iconButton(`Cancel the upload of ${shown}`, "close");
  const name = make("bdi", { class: "name" }, shown);
  const row = make("li", { class: "job" }, make("div", { class: "l1" }, icon("upload"), name, make("span", { class: "grow" }), percentage, cancel), bar, figures);
  const job: Job = { file, name: shown, row, bar, percentage, figures, request: null, cancelled: false };
  cancel.addEventListener("click", () => cancelJob(job));
  list()?.append(row);
  return job;
};

const cancelJob = (job: Job): void => {
  job.cancelled = true;
  const at = waiting.indexOf(job);
  if (at >= 0) waiting.splice(at, 1);
  job.request?.abort();
  job.row.remove();
};

const fail = (job: Job, sentence: string, again: boolean, ...more: (Node | string)[]): void => {
  job.row.className = "job failed";
  job.row.querySelector(".l1 svg")?.replaceWith(icon("high"));
  job.bar.remove();
  job.percentage.textContent = "";
  job.figures.replaceWith(make("p", { class: "sentence", role: "alert" }, sentence, ...more));
  job.row.querySelector("button")?.setAttribute("aria-label", `Dismiss ${job.name}`);
  if (!again) return;
  const retry = make("button", { type: "button", class: "btn small" }, "Try again");
  retry.addEventListener("click", () => {
    job.row.remove();
    enqueue([job.file]);
  });
  job.row.querySelector(".l1 button")?.before(retry);
};

const problemSentence = (request: XMLHttpRequest): string => {
  try {
    const problem = JSON.parse(request.responseText) as Problem;
    const sentence = problem.detail ?? problem.title;
    if (sentence) return problem.error_id && request.status >= 500 ? `${sentence} (${problem.error_id})` : sentence;
  } catch {
    // A proxy answered in its own words, which tell people nothing.
  }
  return `The server answered ${request.status}. Nothing was kept; try again.`;
};

const showProgress = (job: Job, samples: [number, number][], event: ProgressEvent): void => {
  const now = performance.now();
  samples.push([now, event.loaded]);
  while (samples.length > 2 && now - (samples[0]?.[0] ?? now) > RATE_WINDOW_MS) samples.shift();
  const [since, bytes] = samples[0] ?? [now, 0];
  const rate = now > since ? ((event.loaded - bytes) * 1000) / (now - since) : 0;
  job.bar.value = event.total ? (100 * event.loaded) / event.total : 0;
  job.percentage.textContent = percent(job.bar.value);
  const parts = [make("span", {}, `${dataSize(event.loaded)} of ${dataSize(event.total)}`)];
  if (event.loaded === event.total) parts.push(make("span", {}, "writing to disk"));
  else if (rate > 0) parts.push(make("span", {}, byteRate(rate)), make("span", {}, `${timeLeft((event.total - event.loaded) / rate)} left`));
  job.figures.replaceChildren(...parts);
};

const becomeTask = (job: Job, accepted: Accepted): void => {
  const template = document.getElementById("job-template");
  const row = template instanceof HTMLTemplateElement ? template.content.firstElementChild?.cloneNode(true) : null;
  if (!(row instanceof HTMLElement)) {
    location.assign(accepted.url);
    return;
  }
  row.dataset["task"] = accepted.id;
  const link = row.querySelector<HTMLAnchorElement>("a.name");
  if (link) {
    link.href = accepted.url;
    link.replaceChildren(make("bdi", {}, job.name));
  }
  job.row.replaceWith(row);
  follow(row);
};

const settle = (job: Job, request: XMLHttpRequest): void => {
  if (job.cancelled) return;
  if (request.status === 201) becomeTask(job, JSON.parse(request.responseText) as Accepted);
  else if (request.status === 401) fail(job, "You were logged out, and the file was not kept. ", false, make("a", { href: "/login" }, "Log in"), " and choose it again.");
  else fail(job, problemSentence(request), request.status >= 500 || request.status === 429);
};

const send = (job: Job): Promise<void> =>
  new Promise((resolve) => {
    const request = new XMLHttpRequest();
    const samples: [number, number][] = [[performance.now(), 0]];
    job.request = request;
    request.upload.addEventListener("progress", (event) => showProgress(job, samples, event));
    request.addEventListener("load", () => settle(job, request));
    request.addEventListener("error", () =>
      fail(job, `The connection was lost after ${dataSize(samples.at(-1)?.[1] ?? 0)}. What arrived was not kept; try again.`, true));
    request.addEventListener("loadend", () => resolve());
    request.open("POST", `/api/v1/tasks?filename=${encodeURIComponent(job.file.name)}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("Accept", "application/json");
    request.send(job.file);
  });

const run = async (): Promise<void> => {
  while (!current && waiting.length > 0) {
    current = waiting.shift() ?? null;
    if (current) await send(current);
    current = null;
  }
};

const enqueue = (files: readonly File[]): void => {
  const most = Number(document.querySelector<HTMLElement>("[data-max-bytes]")?.dataset["maxBytes"] ?? "0");
  revealList();
  for (const file of files) {
    const job = rowFor(file);
    if (most > 0 && file.size > most) fail(job, `${dataSize(file.size)} are more than the ${dataSize(most)} that this server takes.`, false);
    else waiting.push(job);
  }
  void run();
};

/** Dropped folders have no bytes to send: say so instead of failing half-way. */
const droppedFiles = (transfer: DataTransfer): File[] =>
  [...transfer.items].filter((item) => item.kind === "file" && !item.webkitGetAsEntry()?.isDirectory).flatMap((item) => item.getAsFile() ?? []);

const wireDrop = (): void => {
  const carriesFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;
  let depth = 0;
  const leave = (): void => {
    depth = 0;
    document.body.classList.remove("dropping");
  };
  addEventListener("dragenter", (event) => {
    if (!carriesFiles(event)) return;
    depth += 1;
    document.body.classList.add("dropping");
  });
  addEventListener("dragleave", (event) => {
    if (carriesFiles(event) && --depth <= 0) leave();
  });
  addEventListener("dragover", (event) => {
    if (carriesFiles(event)) event.preventDefault();
  });
  addEventListener("drop", (event) => {
    if (!carriesFiles(event) || !event.dataTransfer) return;
    event.preventDefault();
    leave();
    enqueue(droppedFiles(event.dataTransfer));
  });
};

export const wireUpload = (): void => {
  const input = document.querySelector<HTMLInputElement>("[data-files]");
  if (!input) return;
  document.querySelector("[data-choose-files]")?.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    enqueue([...(input.files ?? [])]);
    input.value = "";
  });
  wireDrop();
  addEventListener("beforeunload", (event) => {
    if (current) event.preventDefault();
  });
};
