/** Where the film stands, in seconds, and how to move it; without a film, a place of its own. */
function makePlayer(length) {
  const video = document.getElementById("video");
  const listeners = [];
  let missing = !video;
  let place = 0;
  const moved = () => listeners.forEach((listener) => listener());
  const usable = () => !missing;
  const player = {
    length,
    time: () => (usable() ? video.currentTime : place),
    playing: () => usable() && !video.paused,
    onMove: (listener) => listeners.push(listener),
    seek(seconds, andPlay = false) {
      place = Math.min(Math.max(0, seconds), length);
      if (usable()) {
        video.currentTime = place;
        if (andPlay) player.play();
      }
      moved();
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
    moved();
  };
  video.addEventListener("error", without);
  if (video.error || video.networkState === HTMLMediaElement.NETWORK_NO_SOURCE) without();
  ["timeupdate", "seeking", "seeked", "play", "pause", "loadedmetadata"].forEach((name) =>
    video.addEventListener(name, moved),
  );
  const shape = () => {
    if (video.videoHeight) screen.closest(".stage").style.setProperty("--shape", video.videoWidth / video.videoHeight);
  };
  video.addEventListener("loadedmetadata", shape);
  shape();
  const eachFrame = () => {
    moved();
    if (player.playing()) requestAnimationFrame(eachFrame);
  };
  video.addEventListener("play", () => requestAnimationFrame(eachFrame));
  dock(video, screen);
  return player;
}

/** Keeps a film that was started in sight: small, in the corner, while its place is scrolled away. */
function dock(video, screen) {
  let away = false;
  let closed = false;
  const settle = () => {
    const started = video.currentTime > 0 || !video.paused;
    const small = away && started && !closed;
    if (small) screen.parentElement.style.minHeight = `${screen.parentElement.offsetHeight}px`;
    else screen.parentElement.style.minHeight = "";
    screen.classList.toggle("mini", small);
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
}
