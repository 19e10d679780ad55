import { texts } from "../texts";

/** An error for a file that cannot be shown, in words for the user. */
export class PictureError extends Error {}

/** Files with more bytes are refused unread. */
const MAX_BYTES = 200e6;
/**
 * Pictures with more pixels are refused before they are decoded: unpacked, each takes four bytes. The largest cameras of
 * phones take 200 million.
 */
const MAX_PIXELS = 210e6;
/** Pictures with more pixels are made smaller while they are decoded; as many as Python reads, fer_export/faces/photo.py. */
const KEPT_PIXELS = 40e6;

/**
 * Decode a picture as Python reads it: upright, colours as stored; one of more than 40 million pixels smaller.
 *
 * @throws PictureError The file is not a picture, is damaged, or is too large.
 */
export async function decode(file: Blob): Promise<ImageBitmap> {
  const name = nameOf(file);
  if (file.size > MAX_BYTES) {
    throw new PictureError(texts.file.tooManyBytes(name, Math.round(file.size / 1e6), MAX_BYTES / 1e6));
  }
  const { width, height } = await sizeOf(file);
  if (width * height > MAX_PIXELS) {
    throw new PictureError(texts.file.tooManyPixels(name, width, height, MAX_PIXELS / 1e6));
  }
  const scale = Math.min(1, Math.sqrt(KEPT_PIXELS / (width * height)));
  const smaller: ImageBitmapOptions =
    scale < 1 ? { resizeWidth: Math.floor(width * scale), resizeHeight: Math.floor(height * scale), resizeQuality: "high" } : {};
  try {
    return await createImageBitmap(file, { imageOrientation: "from-image", colorSpaceConversion: "none", ...smaller });
  } catch {
    throw await unreadable(file);
  }
}

/**
 * Read a picture's size from its header. An image element decodes nothing before it is drawn, so a file of a few
 * kilobytes that would unpack to gigabytes costs nothing.
 */
async function sizeOf(file: Blob): Promise<{ width: number; height: number }> {
  const url = URL.createObjectURL(file);
  const image = new Image();
  try {
    await new Promise((resolve, reject) => {
      image.onload = resolve;
      image.onerror = reject;
      image.src = url;
    });
    return { width: image.naturalWidth, height: image.naturalHeight };
  } catch {
    throw await unreadable(file);
  } finally {
    URL.revokeObjectURL(url);
  }
}

async function unreadable(file: Blob): Promise<PictureError> {
  const name = nameOf(file);
  return new PictureError((await isHeic(file)) ? texts.file.heic(name) : texts.file.noPicture(name));
}

/** Whether a file is in the format of Apple's cameras, by its first bytes: `ftyp` and a brand of ISO/IEC 23008-12. */
async function isHeic(file: Blob): Promise<boolean> {
  const head = new TextDecoder("latin1").decode(await file.slice(4, 12).arrayBuffer());
  return /^ftyp(heic|heix|heim|heis|hevc|hevx|mif1|msf1)$/.test(head);
}

function nameOf(file: Blob): string {
  return file instanceof File && file.name ? file.name : texts.file.thisFile;
}
