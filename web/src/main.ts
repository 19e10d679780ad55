import portrait from "fer:portrait";

import { installable } from "./installing";
import { Session } from "./session";
import { cameras, onCamerasChanged } from "./source/camera";
import { listen } from "./source/incoming";
import { areModel, fromAddress, fromFiles } from "./source/own-model";
import { isVideo } from "./source/video-file";
import { Backends } from "./speed/backends";
import { initial, publish } from "./state";
import { texts } from "./texts";
import { Recorder } from "./timeline/recorder";
import { showAbout } from "./view/about";
import { Album } from "./view/album";
import { CameraChoice } from "./view/camera-choice";
import { Cards } from "./view/cards";
import { byId } from "./view/dom";
import { Player } from "./view/player";
import { save, stamped } from "./view/saving";
import { Stage } from "./view/stage";
import { StageTimes } from "./view/stages";
import { Status } from "./view/status";
import { Timeline } from "./view/timeline";
import { translate } from "./view/translate";
import type { Ready } from "./worker/protocol";

translate();

const state = initial();
publish(state);

const stage = new Stage();
const cards = new Cards({
  rest: (track, on) => session.rest(track, on),
  explain: (track, label) => session.explain(track, label),
});
const status = new Status();
const times = new StageTimes();
const buttons = {
  start: byId("start", HTMLButtonElement),
  stop: byId("stop", HTMLButtonElement),
  sample: byId("sample", HTMLButtonElement),
  snapshot: byId("snapshot", HTMLButtonElement),
};
const file = byId("file", HTMLInputElement);

/** The camera whose mirror was chosen. */
let mirrored: string | null = null;

const session = new Session(state, stage.video, {
  source(source) {
    if (source !== "picture") stage.show(source);
    if (source !== "picture") album.close();
    player.shown = source === "video";
    choice.shown = source === "camera";
    if (source === "camera") {
      const { used, looksAway } = session.camera;
      // The same camera at another size keeps what was chosen for it.
      if (used !== mirrored) choice.mirrored = !looksAway;
      mirrored = used;
      stage.mirror(choice.mirrored);
      listCameras();
    }
    buttons.stop.hidden = source === "none";
    buttons.stop.textContent = source === "picture" ? texts.closePicture : texts.page.stop;
    buttons.start.hidden = source === "camera";
    buttons.snapshot.hidden = source === "none";
    // What was recorded can be saved after the end, until something else begins.
    if (source !== "none") timeline.clear();
    timeline.expected = source === "camera" || source === "video";
    cards.clear();
    times.clear();
    if (!state.ready) return;
    if (source === "none") status.say(texts.ready);
    // What is seen is said soon enough.
    else status.show(texts.looking);
  },
  picture: (bitmap) => stage.showPicture(bitmap),
  seen(view, width, height, time) {
    stage.draw(view.averaged, width, height);
    cards.show(view.averaged, time === null ? null : view.resting, view.waiting);
    status.saw(view);
    if (time === null) return;
    recorder.add(view.averaged, time);
    timeline.update();
  },
  fps: (value) => status.fps(value),
  took: (taken) => times.add(taken),
  error: (message) => status.alert(message),
  loading: (done) => status.loading(done),
  asking() {
    // At once, since whoever has just pressed a button expects things to move.
    timeline.expected = true;
    status.say(texts.askingForCamera);
  },
});

const backends = new Backends(session, state, { say: (text) => status.say(text), ready: show });

const choice = new CameraChoice(
  (id) => void session.startCamera(id ?? session.camera.used, choice.size),
  (on) => stage.mirror(on),
);
function listCameras(): void {
  void cameras().then((devices) => choice.show(devices, session.camera.used));
}
onCamerasChanged(listCameras);

const recorder = new Recorder();
const timeline = new Timeline(recorder, (time) => {
  if (session.film.opened && stage.video.paused) session.film.seek(time / 1000);
});
const player = new Player(stage.video, session.film);
const album = new Album((chosen) => void session.open(chosen));

buttons.start.addEventListener("click", () => void session.startCamera(null, choice.size));
buttons.snapshot.addEventListener("click", () => {
  void stage.snapshot().then((picture) => save(picture, stamped("picture", "png")));
});
buttons.stop.addEventListener("click", () => session.stop());
file.addEventListener("change", () => {
  const chosen = [...(file.files ?? [])];
  // The input is emptied, so that choosing the same file again counts as a change.
  file.value = "";
  openFiles(chosen);
});
/** Open what was chosen, dropped or pasted: a model, a video, or pictures. */
function openFiles(files: readonly File[]): void {
  const film = files.find(isVideo);
  if (areModel(files)) useModel(files);
  else if (film) void session.openVideo(film);
  else album.show(files);
}
listen({
  files(files) {
    if (files.length > 0) openFiles(files);
    else status.alert(texts.notAFile);
  },
  unreadable: () => status.alert(texts.folderUnreadable),
  hovering: (on) => stage.hover(on),
});
buttons.sample.addEventListener("click", () => {
  album.close();
  if (portrait) void fetch(portrait).then(async (answer) => session.open(await answer.blob()));
});

const modelFiles = byId("model-files", HTMLInputElement);
modelFiles.addEventListener("change", () => {
  const chosen = [...(modelFiles.files ?? [])];
  modelFiles.value = "";
  useModel(chosen);
});

function useModel(files: readonly File[]): void {
  status.say(texts.loadingModel);
  void session.use(() => fromFiles(files)).then((ready) => {
    if (ready) show(ready);
    else status.say(texts.modelUnusable);
  });
}

function show(ready: Ready): void {
  const { labels, weights_sha256, architecture } = ready.classifier;
  cards.setLabels(labels);
  timeline.model = { weights_sha256, architecture: architecture.name, labels };
  status.ready(ready.backend, ready.parity);
  status.say(texts.ready);
  showAbout(ready);
  backends.show(ready);
  times.reset();
}

const address = new URLSearchParams(location.search).get("model");
session.load(address === null ? null : () => fromAddress(address), backends.first).then(
  (ready) => {
    show(ready);
    buttons.start.disabled = false;
    buttons.sample.hidden = portrait === null;
    if (backends.problem !== null) {
      state.error = backends.problem;
      status.alert(backends.problem);
    }
    // Not before: what is kept for later would compete with what is waited for.
    installable();
  },
  (error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    state.error = reason;
    status.say(texts.modelsUnloaded);
    status.alert(reason);
  },
);
