// SPDX-License-Identifier: Apache-2.0
import { render } from "preact";
import { App } from "./app";
import { refresh } from "./service";

render(<App />, document.getElementById("page")!);
refresh();
