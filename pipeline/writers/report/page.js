"use strict";
const video = document.getElementById("video");
const playhead = document.getElementById("playhead");
if (video) {
  video.addEventListener("error", () => {
    video.hidden = true;
    document.getElementById("no-film").hidden = false;
  });
  const lane = document.querySelector(".lane");
  const place = () => {
    const share = Math.min(1, video.currentTime / (video.duration || Infinity));
    const box = lane.getBoundingClientRect();
    const left = box.left - lane.parentElement.getBoundingClientRect().left;
    playhead.hidden = false;
    playhead.style.left = `${left + share * box.width}px`;
  };
  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-seek]");
    if (!target) return;
    let at = Number(target.dataset.seek);
    if (target.tagName === "rect") {
      const box = lane.getBoundingClientRect();
      at = ((event.clientX - box.left) / box.width) * (video.duration || 0);
    }
    video.currentTime = at;
    video.play();
    video.scrollIntoView({ block: "nearest", behavior: "smooth" });
  });
  video.addEventListener("timeupdate", place);
  window.addEventListener("resize", place);
}
