/** The script of every page of the service; each part looks for what it serves and does nothing elsewhere. */

import "./styles/all.css";
import { wireReport } from "./report-body";
import { wireCopy } from "./copy";
import { wireDialogs } from "./dialogs";
import { wireKeys } from "./keys";
import { wireLiveTasks } from "./live";
import { wireUpload } from "./upload";
import { wireTimes } from "./times";

wireTimes(document);
wireCopy();
wireKeys();
wireDialogs();
wireReport();
wireLiveTasks();
wireUpload();
