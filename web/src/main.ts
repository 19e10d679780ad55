import portrait from "fer:portrait";

import { Bridge } from "./bridge";
import { Session } from "./session";
import { listen } from "./source/incoming";
import { initial, publish } from "./state";
import { showAbout } from "./view/about";
import { Album } from "./view/album";
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
    if (source !== "picture") album.close();
    buttons.stop.hidden = source === "none";
    buttons.stop.textContent = source === "picture" ? "Close picture" : "Stop";
    buttons.start.hidden = source === "camera";
    cards.show([]);
    if (state.ready) status.say(source === "none" ? "Ready" : "Looking …");
  },
  picture: (bitmap) => stage.showPicture(bitmap),
  seen(faces, width, height) {
    stage.draw(faces, width, height);
    cards.show(faces);
    status.saw(faces);
  },
  fps: (value) => status.fps(value),
  error: (message) => status.alert(message),
});

const album = new Album((chosen) => void session.open(chosen));

buttons.start.addEventListener("click", () => void session.startCamera());
buttons.stop.addEventListener("click", () => session.stop());
file.addEventListener("change", () => {
  const chosen = [...(file.files ?? [])];
  // The input is emptied, so that choosing the same file again counts as a change.
  file.value = "";
  album.show(chosen);
});
listen({
  files(files) {
    if (files.length > 0) album.show(files);
    else status.alert("That is no file. Drop a picture that is saved on this device.");
  },
  hovering: (on) => stage.hover(on),
});
buttons.sample.addEventListener("click", () => {
  album.close();
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
