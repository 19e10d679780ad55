import type { Reason } from "../state";
import type { Light } from "../vision/light";

/** All that the page says, in one language. What is set in `index.html` stands in `page` and `names`, by its `data-text` and `data-name`. */
export const english = {
  /** Texts of elements. */
  page: {
    title: "Expressions, on your device",
    lead: "Faces and their perceived expressions, read in this browser. Nothing is sent anywhere.",
    backend: "Backend",
    speed: "Speed",
    parity: "Parity",
    consent:
      "The camera's picture stays on this device: it is read here, shown here, and never stored or sent. By starting you agree to that, and everybody in view should too.",
    drop: "Or drop pictures or a video anywhere, or paste a picture.",
    start: "Start camera",
    stop: "Stop",
    open: "Open picture or video",
    sample: "Try the sample portrait",
    snapshot: "Save picture",
    camera: "Camera",
    mirrored: "Mirrored",
    play: "Pause",
    lastMinute: "The last minute",
    saveCsv: "Save CSV",
    saveJson: "Save JSON",
    loading: "Loading the models …",
    about: "About this model",
    ownModel: "Use a model of your own",
    ownModelHow: "Its model.json and all its .bin files, as fer-export tfjs writes them; or drop its folder onto the page.",
    limits:
      "The labels are of perceived expression, not of what somebody feels. Do not judge people by them; at work and in education the EU forbids inferring emotions.",
    language: "Language",
  },
  /** Names of elements for screen readers. */
  names: {
    picture: "Picture",
    openedPicture: "The opened picture",
    video: "Video",
    back: "One picture back",
    on: "One picture on",
    place: "Place in the video",
    pictures: "Pictures",
    previous: "Previous picture",
    next: "Next picture",
    lastMinute: "The last minute",
    moment: "Moment",
    colours: "Colours",
    faces: "Faces",
    loading: "Loading the models",
  },
  /** The words for classes, reasons and `unsure`; a label of another model that is missing here is shown as it is. */
  words: {} as Readonly<Record<string, string>>,
  ready: "Ready",
  looking: "Looking …",
  askingForCamera: "Waiting for the camera: the browser may ask you to allow it …",
  loadingModel: "Loading your model …",
  modelUnusable: "Your model could not be used",
  modelsUnloaded: "The models could not be loaded",
  closePicture: "Close picture",
  yourCamera: "Your camera",
  yourCameraMirrored: "Your camera, mirrored",
  cameraNumber: (number: number): string => `Camera ${number}`,
  play: "Play",
  pause: "Pause",
  placeOf: (place: number, count: number): string => `${place} of ${count}`,
  notAFile: "That is no file. Drop a picture or video that is saved on this device.",
  folderUnreadable: "This browser does not let the page read that folder. Drop the files that are in it.",
  readingFailed: (reason: string): string => `Reading failed: ${reason}.`,
  cameraGone: "The camera went away. Connect it again and start anew.",
  camera: {
    insecure:
      "Browsers give the camera only to pages opened over https, from localhost or from disk. Open this page one of those ways; pictures work here too.",
    unsupported: "This browser has no access to cameras. Open a picture instead, or try another browser.",
    denied: "The camera was not allowed. Allow it for this page in the browser's address bar or settings, then start again.",
    missing: "No camera was found. Connect one and start again, or open a picture.",
    busy: "The camera is busy: another program or tab seems to use it. Close that and start again.",
    black: "The camera was opened but shows no picture. Close other programs that use it and try again.",
    failed: (reason: string): string => `The camera did not start (${reason}). Open a picture instead, or try again.`,
  },
  file: {
    thisFile: "This file",
    tooManyBytes: (name: string, megabytes: number, most: number): string => `${name} is too large (${megabytes} MB, at most ${most}).`,
    tooManyPixels: (name: string, width: number, height: number, most: number): string =>
      `${name} is too large (${width} × ${height} pixels, at most ${most} million in all).`,
    heic: (name: string): string => `${name} is an HEIC picture, which this browser cannot read. Save it as JPEG and open that.`,
    noPicture: (name: string): string => `${name} is not a picture that the browser can read. Try a JPEG, PNG or WebP.`,
    noVideo: (name: string): string => `${name} is not a video that the browser can play. Try an MP4 or WebM.`,
    soundOnly: (name: string): string => `${name} holds sound and no picture.`,
  },
  model: {
    noJson: "There is no model.json among these files.",
    shardMissing: (json: string, shard: string): string =>
      `${json} names ${shard}, which is not among these files. Open the model's folder as a whole.`,
    noAddress: (address: string): string => `?model=${address} is no address.`,
    fromDisk: "A page that is opened from disk may load no model by its address. Drop the model's folder onto the page.",
    otherHost: (address: string): string => `?model=${address} is on another host, and this page asks none but its own.`,
    notLoaded: (name: string, address: string, status: number): string => `${name} of ?model=${address} cannot be loaded (${status}).`,
    notJson: (name: string): string => `${name} is not JSON.`,
    notGraph: (name: string): string => `${name} is not a TF.js graph model: it names no weights. fer-export tfjs writes one.`,
    outside: (name: string, shard: string): string => `${name} names ${shard}, which lies outside its folder.`,
    unreadable: "The model's files cannot be read.",
  },
  /** What a person can do about a face that has no label, by the reason. */
  advice: {
    undecided: "No expression is likely enough to name.",
    "too small": "The face has too few pixels to be read. Come closer.",
    "too dark": "The face is too dark to be read. Turn on a light, or face the window.",
    "too bright": "The face is overexposed and cannot be read. Turn away from the light, or dim it.",
    "too blurred": "The face is too blurred to be read. Hold still, or wipe the lens.",
    "turned away": "The face is turned too far to be read. Look towards the camera.",
  } satisfies Record<Reason, string> as Readonly<Record<Reason, string>>,
  nobody: "No face in sight",
  /** Why nobody may have been found, by the light of the picture. */
  nobodyByLight: {
    dark: "No face in sight: the picture is very dark. Turn on a light.",
    bright: "No face in sight: the picture is overexposed. Dim the light, or turn away from it.",
  } satisfies Record<Light, string> as Readonly<Record<Light, string>>,
  oneFace: (word: string): string => `One face: ${word}`,
  faces: (count: number, words: string): string => `${count} faces: ${words}`,
  face: (number: number): string => `face ${number}`,
  outOfSight: (number: number): string => `face ${number}, out of sight`,
  allClasses: "All classes",
  more: (count: number): string => `+${count} more`,
  fewer: "Show fewer",
  now: "Now",
  ago: (seconds: number): string => `${seconds} s ago`,
  nobodyThere: "nobody",
  matches: (difference: string): string => `matches (${difference})`,
  differs: (difference: string): string => `differs (${difference})`,
  parityMeans: "The models' golden pictures, replayed here and compared with PyTorch's answers",
  alarm: (models: string): string => `What this browser computes differs from the model that was measured (${models}): do not trust it.`,
  why: {
    explain: "Explain",
    speaksFor: "What speaks for it",
    saw: "What the net saw",
    crop: (number: number, width: number, height: number, gray: boolean): string =>
      `Face ${number} as the net saw it: ${width} × ${height} pixels, ${gray ? "gray" : "in colour"}`,
    map: (number: number, word: string, place: string): string =>
      `Heat map of face ${number}: most of what speaks for ${word} is at the ${place}`,
    /** Nine parts of a picture, row by row. */
    places: ["top left", "top", "top right", "left", "middle", "right", "bottom left", "bottom", "bottom right"] as readonly string[],
    noMap: "This net keeps no map of the picture.",
    colours: (word: string, rows: number, columns: number): string =>
      `Warm: these places speak for ${word}; blue: against it. From the net's last features (${rows} × ${columns}), not proof of why.`,
  },
  rest: {
    set: "Set resting face",
    cancel: "Cancel",
    undo: "Undo resting face",
    means: "Three seconds of your face at rest are taken off what is shown",
    watching: "Watching the resting face",
    hold: "Rest your face and look here for three seconds …",
    nothing: "Your resting face is read as neutral already: nothing is changed.",
    told: (words: readonly string[]): string => `Your resting face is taken off: less ${words.join(" and ")} is shown than is read.`,
  },
};

/** What every language has. */
export type Texts = typeof english;
