/**
 * Make the page one that can be installed and that opens without a network, where it comes from a host: browsers know
 * neither for a page from disk, which needs no network anyway.
 */
export function installable(): void {
  if (!location.protocol.startsWith("http") || !window.isSecureContext) return;
  const link = document.createElement("link");
  link.rel = "manifest";
  link.href = "manifest.webmanifest";
  document.head.append(link);
  // A host that does not serve the file leaves the page as it is.
  (navigator.serviceWorker as ServiceWorkerContainer | undefined)?.register("sw.js").catch(() => undefined);
}
