/**
 * Progress of analyses as it happens, by server-sent events; where those do not come through, by asking every two
 * seconds. A browser opens six connections to one host at most, so only the first rows are streamed.
 */

import { icon, make } from "./dom";
import { byteRate, count, percent, timeLeft } from "./format";
import { wireTimes } from "./times";

const STREAMED_AT_ONCE = 3;
const ERRORS_BEFORE_ASKING = 3;
const ASK_EVERY_MS = 2000;
const STAGES = ["read", "measure", "diagnose"] as const;

interface Progress {
  readonly stage: string;
  readonly percent: number | null;
  readonly frames: number | null;
  readonly bytes_done: number | null;
  readonly bytes_total: number | null;
  readonly bytes_per_s: number | null;
  readonly queue_position: number | null;
}

interface TaskJson extends Partial<Progress> {
  readonly status: string;
  readonly stage: string;
}

const isOver = (status: string): boolean => status !== "pending" && status !== "processing";

let streams = 0;

const setSteps = (row: HTMLElement, progress: Progress): void => {
  const stage = progress.stage === "unpack" ? "read" : progress.stage;
  const at = stage === "done" ? STAGES.length : STAGES.findIndex((name) => name === stage);
  row.querySelectorAll<HTMLElement>("[data-step]").forEach((step, index) => {
    step.className = index < at ? "done" : index === at ? "now" : "";
    if (index === at) step.setAttribute("aria-current", "step");
    else step.removeAttribute("aria-current");
    const bar = step.querySelector("progress");
    if (bar) bar.value = index < at ? 100 : index === at && stage === "read" ? (progress.percent ?? 0) : 0;
  });
};

const sentences = (progress: Progress): string[] => {
  if (progress.stage === "queued") {
    const { queue_position: position } = progress;
    return [position === null ? "Waiting for its turn" : position <= 1 ? "Next in the queue" : `Number ${position} in the queue`];
  }
  const parts: string[] = [];
  if (progress.frames !== null) parts.push(`${count(progress.frames)} packets`);
  if (progress.bytes_per_s) parts.push(byteRate(progress.bytes_per_s));
  const left = progress.bytes_total !== null && progress.bytes_done !== null ? progress.bytes_total - progress.bytes_done : 0;
  if (progress.stage === "read" && progress.bytes_per_s && left > 0) parts.push(`${timeLeft(left / progress.bytes_per_s)} left`);
  return parts;
};

/** Said aloud once a stage, not twice a second. */
const announce = (row: HTMLElement, stage: string): void => {
  const status = row.querySelector("[data-stage]");
  const words = row.querySelector(`[data-step="${stage}"]`)?.textContent ?? "";
  const name = row.querySelector("bdi")?.textContent ?? "";
  const sentence = words ? `${name}: ${words}` : "";
  if (status && status.textContent !== sentence) status.textContent = sentence;
};

const show = (row: HTMLElement, progress: Progress): void => {
  announce(row, progress.stage);
  setSteps(row, progress);
  const percentage = row.querySelector<HTMLElement>("[data-percent]");
  if (percentage) percentage.textContent = progress.stage === "read" && progress.percent !== null ? percent(progress.percent) : "";
  row.querySelector<HTMLElement>("[data-figures]")?.replaceChildren(...sentences(progress).map((text) => make("span", {}, text)));
};

/** Put the server's newest list in place of the old one; what is being uploaded stays. */
const refreshRecent = async (): Promise<void> => {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("recent");
  const old = document.getElementById("recent");
  if (!fresh || !old) return;
  const adopted = document.adoptNode(fresh);
  wireTimes(adopted);
  old.replaceWith(adopted);
};

const finishRow = (row: HTMLElement, status: string): void => {
  const good = status === "completed";
  const stage = row.querySelector("[data-stage]");
  if (stage) stage.textContent = `${row.querySelector("bdi")?.textContent ?? ""}: ${good ? "done" : "failed"}`;
  row.className = good ? "job done" : "job failed";
  row.querySelector(".l1 svg")?.replaceWith(icon(good ? "ok" : "high"));
  row.querySelector(".steps")?.remove();
  row.querySelector("[data-percent]")?.replaceChildren();
  row.querySelector("[data-figures]")?.replaceChildren(make("span", {}, good ? "Done: open it to read the verdict" : "It failed: open it to read why"));
};

const finish = async (row: HTMLElement, status: string): Promise<void> => {
  if (row.hasAttribute("data-reload")) {
    location.reload();
    return;
  }
  finishRow(row, status);
  await refreshRecent();
};

const hideWhenEmpty = (): void => {
  const list = document.querySelector("[data-jobs]");
  if (!list || list.children.length > 0) return;
  list.closest("section")?.setAttribute("hidden", "");
  document.querySelector(".home")?.classList.add("alone");
};

const ask = (row: HTMLElement, address: string): void => {
  const once = async (): Promise<void> => {
    const answer = await fetch(address, { headers: { Accept: "application/json" } }).catch(() => null);
    if (answer?.status === 404) {
      // Somebody deleted it.
      row.remove();
      hideWhenEmpty();
      return;
    }
    if (answer?.status === 401) {
      const link = make("a", { href: "/login" }, "Log in");
      row.querySelector("[data-figures]")?.replaceChildren(make("span", {}, "You were logged out; the analysis goes on. ", link, " to see it."));
      return;
    }
    const task = answer?.ok ? ((await answer.json()) as TaskJson) : null;
    if (task && isOver(task.status)) {
      await finish(row, task.status);
      return;
    }
    if (task) {
      show(row, { percent: null, frames: null, bytes_done: null, bytes_total: null, bytes_per_s: null, queue_position: null, ...task });
    }
    setTimeout(() => void once(), ASK_EVERY_MS);
  };
  void once();
};

const stream = (row: HTMLElement, address: string): void => {
  const source = new EventSource(`${address}/events`);
  let errors = 0;
  streams += 1;
  const close = (): void => {
    source.close();
    streams -= 1;
  };
  source.addEventListener("progress", (event) => {
    errors = 0;
    show(row, JSON.parse((event as MessageEvent<string>).data) as Progress);
  });
  source.addEventListener("done", (event) => {
    close();
    void finish(row, (JSON.parse((event as MessageEvent<string>).data) as { status: string }).status);
  });
  source.addEventListener("error", () => {
    errors += 1;
    if (errors >= ERRORS_BEFORE_ASKING || source.readyState === EventSource.CLOSED) {
      close();
      ask(row, address);
    }
  });
};

export const follow = (row: HTMLElement): void => {
  const address = `/api/v1/tasks/${encodeURIComponent(row.dataset["task"] ?? "")}`;
  if (streams < STREAMED_AT_ONCE) stream(row, address);
  else ask(row, address);
};

export const wireLiveTasks = (): void => {
  document.querySelectorAll<HTMLElement>("[data-task]").forEach(follow);
};
