/**
 * Light, dark or as the system: runs in <head> before the first paint, so that no page flashes in the other theme.
 * A plain script, so a function keeps its names to itself.
 */

(() => {
  const KEY = "theme";
  const root = document.documentElement;
  type Choice = "light" | "dark" | "system";

  const stored = (): Choice => {
    try {
      const value = localStorage.getItem(KEY);
      return value === "light" || value === "dark" ? value : "system";
    } catch {
      // A file on disk, or a browser that keeps nothing: follow the system.
      return "system";
    }
  };

  const apply = (choice: Choice): void => {
    if (choice === "system") {
      delete root.dataset["theme"];
    } else {
      root.dataset["theme"] = choice;
    }
  };

  const mark = (choice: Choice): void => {
    for (const button of document.querySelectorAll<HTMLButtonElement>("[data-theme-choice]")) {
      button.setAttribute("aria-pressed", String(button.dataset["themeChoice"] === choice));
    }
  };

  const choose = (choice: Choice): void => {
    apply(choice);
    mark(choice);
    try {
      localStorage.setItem(KEY, choice);
    } catch {
      // The choice holds for this page only.
    }
    document.dispatchEvent(new Event("themechange"));
  };

  const wire = (): void => {
    mark(stored());
    document.addEventListener("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-theme-choice]") : null;
      if (button) {
        choose(button.dataset["themeChoice"] as Choice);
      }
    });
  };

  root.classList.add("js");
  apply(stored());
  if (document.readyState === "loading") {
    document.addEventListener("DOMContentLoaded", wire);
  } else {
    wire();
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.dispatchEvent(new Event("themechange")));
})();

export {};
