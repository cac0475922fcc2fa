/** The page of somebody who waits for approval: it looks from time to time, and loads again when that was decided. */

const LOOK_EVERY_MS = 15_000;
const UNDECIDED = "data-undecided";

const isDecided = async (): Promise<boolean> => {
  try {
    const answer = await fetch("/waiting", { headers: { Accept: "text/html" } });
    return answer.ok && !(await answer.text()).includes(UNDECIDED);
  } catch {
    return false; // the server is away: the next look tells
  }
};

export const wireWaiting = (): void => {
  if (!document.querySelector(`[${UNDECIDED}]`)) return;
  setInterval(() => {
    void isDecided().then((decided) => {
      if (decided) location.reload();
    });
  }, LOOK_EVERY_MS);
};
