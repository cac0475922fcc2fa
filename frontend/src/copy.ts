/** Copy buttons, and the line at the foot of the page that says what was copied. */

let timer: ReturnType<typeof setTimeout> | undefined;

export const say = (sentence: string): void => {
  const toast = document.querySelector<HTMLElement>("[data-toast]");
  if (!toast) return;
  toast.textContent = sentence;
  toast.hidden = false;
  clearTimeout(timer);
  timer = setTimeout(() => {
    toast.hidden = true;
  }, 2600);
};

/** The way for pages that have no clipboard: a file on disk, or plain HTTP. */
const copyBySelection = (text: string): boolean => {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "vh";
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  return copied;
};

export const copy = async (text: string): Promise<void> => {
  const focused = document.activeElement;
  let copied = false;
  try {
    await navigator.clipboard.writeText(text);
    copied = true;
  } catch {
    copied = copyBySelection(text);
  }
  if (focused instanceof HTMLElement) focused.focus({ preventScroll: true });
  say(copied ? `Copied: ${text}` : "The browser did not allow to copy; select the text instead.");
};

export const wireCopy = (): void => {
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-copy]") : null;
    if (button) void copy(button.dataset["copy"] ?? "");
  });
};
