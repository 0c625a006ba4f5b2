const NARROW = "(max-width: 34rem)"; // as in the style sheet
const CLEAR = 8; // px left free around what was asked for

/** Where the film stands, in seconds, and how to move it; without a film, a place of its own. Listeners are told
 * whether it was moved there or ran there. */
function makePlayer(length) {
  const video = document.getElementById("video");
  const listeners = [];
  let missing = !video;
  let place = 0;
  const moved = (sought) => listeners.forEach((listener) => listener(sought));
  const usable = () => !missing;
  const player = {
    length,
    time: () => (usable() ? video.currentTime : place),
    playing: () => usable() && !video.paused,
    onMove: (listener) => listeners.push(listener),
    uncover: () => undefined,
    seek(seconds, andPlay = false) {
      place = Math.min(Math.max(0, seconds), length);
      if (usable()) {
        video.currentTime = place;
        if (andPlay) player.play();
      }
      moved(true);
    },
    play() {
      // A browser may refuse to play, or a second seek cut the first one off: neither is an error here.
      if (usable()) video.play().catch(() => undefined);
    },
    toggle() {
      if (player.playing()) video.pause();
      else player.play();
    },
  };
  if (!video) return player;

  const screen = video.parentElement;
  const without = () => {
    place = video.currentTime || place;
    missing = true;
    screen.hidden = true;
    screen.closest(".stage").classList.add("filmless");
    document.getElementById("no-film").hidden = false;
    moved(true);
  };
  video.addEventListener("error", without);
  if (video.error || video.networkState === HTMLMediaElement.NETWORK_NO_SOURCE) without();
  ["timeupdate", "seeking", "seeked", "play", "pause", "loadedmetadata"].forEach((name) =>
    video.addEventListener(name, () => moved(name === "seeking")),
  );
  const shape = () => {
    if (video.videoHeight) screen.closest(".stage").style.setProperty("--shape", video.videoWidth / video.videoHeight);
  };
  video.addEventListener("loadedmetadata", shape);
  shape();
  const eachFrame = () => {
    moved(false);
    if (player.playing()) requestAnimationFrame(eachFrame);
  };
  video.addEventListener("play", () => requestAnimationFrame(eachFrame));
  player.uncover = dock(video, screen);
  return player;
}

/** Keeps a film that was started in sight: small, in the corner, while its place is scrolled away. Returns what
 * keeps something clear of it on a narrow screen, now or once it is there.
 */
function dock(video, screen) {
  let away = false;
  let closed = false;
  let wanted = null;
  const clear = () => {
    const one = wanted;
    wanted = null;
    if (!one || !matchMedia(NARROW).matches) return;
    const [a, b] = [one.getBoundingClientRect(), screen.getBoundingClientRect()];
    // As far as its end is above the film, or its beginning at the top of the screen.
    const by = Math.min(a.bottom - b.top, a.top) - CLEAR;
    if (by > 0 && a.top < b.bottom) scrollBy(0, by);
  };
  const settle = () => {
    const started = video.currentTime > 0 || !video.paused;
    const small = away && started && !closed;
    if (small) screen.parentElement.style.minHeight = `${screen.parentElement.offsetHeight}px`;
    else screen.parentElement.style.minHeight = "";
    screen.classList.toggle("mini", small);
    if (small) clear();
  };
  new IntersectionObserver(([seen]) => {
    away = !seen.isIntersecting;
    if (!away) closed = false;
    settle();
  }).observe(screen.parentElement);
  ["play", "seeking"].forEach((name) => video.addEventListener(name, settle));
  document.getElementById("dock").addEventListener("click", () => {
    closed = true;
    video.pause();
    settle();
  });
  return (one) => {
    wanted = one;
    if (screen.classList.contains("mini")) clear();
  };
}
