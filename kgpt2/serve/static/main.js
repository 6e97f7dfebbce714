// Which room is open, and in which language.

import { openLens, showAgain } from "./lens.js";
import { labelForms, openVerse } from "./verse.js";
import { $, answered, say, speak, switchLanguage } from "./words.js";

const ROOMS = { verse: openVerse, lens: openLens };

function open() {
  const [name, query = ""] = location.hash.slice(1).split("?");
  const room = name in ROOMS ? name : "verse";
  for (const one of Object.keys(ROOMS)) {
    $(`#room-${one}`).hidden = one !== room;
    const link = $(`[data-room=${one}]`);
    if (one === room) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `kgpt2 · ${say(room)}`;
  ROOMS[room](new URLSearchParams(query));
}

$("#language").addEventListener("click", () => {
  switchLanguage();
  labelForms();
  showAgain();
});
window.addEventListener("hashchange", open);
speak();
labelForms();
open();
answered("v1/models").then(({ data }) => ($("#model").textContent = data[0].id));
