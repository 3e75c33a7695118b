// The card with one task more: what a browser test opens.

import "../../app/card/card.js";
import { TASKS } from "../../app/card/tasks.js";
import { NumberTask } from "./number_task.js";

TASKS.number = NumberTask;
