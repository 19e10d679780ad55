import portrait from "fer:portrait";

import { Bridge } from "./bridge";
import { Session } from "./session";
import { initial, publish } from "./state";
import { showAbout } from "./view/about";
import { Cards } from "./view/cards";
import { byId } from "./view/dom";
import { Stage } from "./view/stage";
import { Status } from "./view/status";

const state = initial();
publish(state);

const stage = new Stage();
const cards = new Cards();
const status = new Status();
const buttons = {
  start: byId("start", HTMLButtonElement),
  stop: byId("stop", HTMLButtonElement),
  sample: byId("sample", HTMLButtonElement),
};
const file = byId("file", HTMLInputElement);

const session = new Session(new Bridge(), state, stage.video, {
  source(source) {
    if (source !== "picture") stage.show(source);
    buttons.stop.hidden = source === "none";
    buttons.stop.textContent = source === "picture" ? "Close picture" : "Stop";
    buttons.start.hidden = source === "camera";
    cards.show([]);
    if (!state.ready) return;
    if (source === "none") status.say("Ready");
    // What is seen is said soon enough.
    else status.show("Looking …");
  },
  picture: (bitmap) => stage.showPicture(bitmap),
  seen(view, width, height) {
    stage.draw(view.averaged, width, height);
    cards.show(view.averaged);
    status.saw(view);
  },
  fps: (value) => status.fps(value),
  error: (message) => status.alert(message),
});

buttons.start.addEventListener("click", () => void session.startCamera());
buttons.stop.addEventListener("click", () => session.stop());
file.addEventListener("change", () => {
  const [chosen] = file.files ?? [];
  // The input is emptied, so that choosing the same file again counts as a change.
  if (chosen) void session.open(chosen).then(() => (file.value = ""));
});
stage.onDrop((dropped) => void session.open(dropped));
buttons.sample.addEventListener("click", () => {
  if (portrait) void fetch(portrait).then(async (answer) => session.open(await answer.blob()));
});

session.load().then(
  (ready) => {
    cards.setLabels(ready.classifier.labels);
    status.ready(ready.backend, ready.parity);
    status.say("Ready");
    showAbout(ready);
    buttons.start.disabled = false;
    buttons.sample.hidden = portrait === null;
  },
  (error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    state.error = reason;
    status.say("The models could not be loaded");
    status.alert(reason);
  },
);
