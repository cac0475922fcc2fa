/** The script of every page of the service; each part looks for what it serves and does nothing elsewhere. */

import "./styles/all.css";
import { wireReport } from "./report-body";
import { wireCopy } from "./copy";
import { wireDialogs } from "./dialogs";
import { wireKeys } from "./keys";
import { wireLiveTasks } from "./live";
import { wireUpload } from "./upload";
import { wireTimes } from "./times";
import { wireWaiting } from "./waiting";

/** What was deleted or logged out of must not come back with the Back button, from the browser's memory of pages. */
const wireReturn = (): void => {
  if (!document.body.hasAttribute("data-private")) return;
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
};

wireReturn();
wireTimes(document);
wireCopy();
wireKeys();
wireDialogs();
wireReport();
wireLiveTasks();
wireUpload();
wireWaiting();
