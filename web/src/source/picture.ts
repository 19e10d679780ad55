/** A file that cannot be shown, in words for the person who chose it. */
export class PictureError extends Error {}

/** Larger files are refused unread, in bytes. */
const MAX_BYTES = 60e6;
/** Larger pictures are refused, in pixels: as in fer_export/faces/photo.py. */
const MAX_PIXELS = 40e6;

/**
 * Decode a picture as Python reads it: upright, colours as stored.
 *
 * @throws PictureError Not a picture, damaged, or too large.
 */
export async function decode(file: Blob): Promise<ImageBitmap> {
  if (file.size > MAX_BYTES) throw new PictureError(`This file is too large (${Math.round(file.size / 1e6)} MB, at most ${MAX_BYTES / 1e6}).`);
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image", colorSpaceConversion: "none" });
  } catch {
    throw new PictureError("This file is not a picture that the browser can read. Try a JPEG, PNG or WebP.");
  }
  if (bitmap.width * bitmap.height > MAX_PIXELS) {
    const size = `${bitmap.width} × ${bitmap.height}`;
    bitmap.close();
    throw new PictureError(`This picture is too large (${size} pixels, at most ${MAX_PIXELS / 1e6} million in all).`);
  }
  return bitmap;
}
