/** The script of the one-file report. */

import "./styles/all.css";
import "./theme";
import { wireReport } from "./report-body";
import { wireCopy } from "./copy";
import { wireKeys } from "./keys";

wireCopy();
wireKeys();
wireReport();
