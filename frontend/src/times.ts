/** Moments in the reader's own time zone and in short: the server writes them whole, in UTC. */

import { when } from "./format";

export const wireTimes = (within: ParentNode): void => {
  const now = new Date();
  for (const element of within.querySelectorAll<HTMLTimeElement>("time[datetime]")) {
    const moment = new Date(element.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    element.title = element.textContent ?? "";
    element.textContent = when(moment, now);
  }
};
