// The page's service worker: from the second visit on it opens without a network. Where there is a network, everything
// comes from there, so that what is shown together belongs together.

const CACHE = "fer-export-page";
const FILES = ["./", "index.html", "style.css", "dist/fer.js", "dist/models.js", "dist/backends.js", "manifest.webmanifest", "icon.svg"];
const ADDRESSES = new Set(FILES.map((name) => new URL(name, self.registration.scope).href));

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll([...ADDRESSES])).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  url.search = url.hash = "";
  // Other files of the host are none of this page's business.
  if (request.method === "GET" && ADDRESSES.has(url.href)) event.respondWith(answer(request, url.href));
});

async function answer(request, address) {
  const cache = await caches.open(CACHE);
  try {
    const response = await fetch(request);
    if (response.ok) await cache.put(address, response.clone());
    return response;
  } catch (error) {
    const kept = await cache.match(address);
    if (!kept) throw error;
    return kept;
  }
}
