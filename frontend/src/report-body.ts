/** What moves in the rendering of a report, in the page of a task and in the one-file report alike. */

import { wireCharts } from "./charts";
import { wireFindings } from "./findings";
import { wireTables } from "./tables";

export const wireReport = (): void => {
  wireTables();
  wireFindings();
  wireCharts();
};
