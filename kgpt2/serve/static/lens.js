// The room where a sampler is looked at while it draws.

import { $, answered, facts, make, newSeed, say, tell } from "./words.js";

const NUMBERS = ["temperature", "top_k", "top_p", "min_p", "max_tokens", "seed"];
const END = "∎"; // stands for the token that ends a text
const SAMPLERS = ["greedy", "top_k", "top_p"];

const form = $("#lens-form"), status = $("#lens-status"), text = $("#lens-text");
let shown = null; // the trace on the page
let here = 0; // which place of it is looked at

function asked(changes = {}) {
  const found = { prompt: form.prompt.value, sampler: form.sampler.value };
  for (const name of NUMBERS) found[name] = Number(form.elements[name].value);
  if (!found.min_p) delete found.min_p;
  return { ...found, ...changes };
}

const trace = (request, ids = []) => answered("lens/trace", { asked: request, ids });

async function draw(ids = [], place = 0) {
  tell(status, say("drawing"));
  const request = asked();
  history.replaceState(null, "", `#lens?${new URLSearchParams({ ...request, ids: ids.join(".") })}`);
  try {
    const began = performance.now();
    shown = await trace(request, ids);
    shown.seconds = (performance.now() - began) / 1000;
    here = Math.min(place, Math.max(0, shown.places.length - 1));
    tell(status, "");
    show();
  } catch (error) {
    tell(status, say("failed") + error.message, true);
  }
}

function show() {
  const most = Math.max(1, ...shown.places.map(({ entropy }) => entropy));
  text.replaceChildren(
    make("span", {}, shown.prompt),
    ...shown.places.map((place, number) => {
      const share = Math.round((100 * place.entropy) / most);
      const one = make("button", { type: "button", "aria-pressed": number === here, class: place.given ? "given" : "" });
      one.textContent = place.text || END;
      one.style.setProperty("--bar", `color-mix(in srgb, var(--seal) ${share}%, transparent)`);
      one.title = `p ${percent(place.p)}, ${place.entropy.toFixed(1)} bit`;
      one.addEventListener("click", () => look(number));
      return one;
    }),
  );
  showPlace();
  showEntropy(most);
}

function look(number) {
  text.querySelectorAll("button").forEach((one, place) => one.setAttribute("aria-pressed", place === number));
  here = number;
  showPlace();
  showEntropy(Math.max(1, ...shown.places.map(({ entropy }) => entropy)));
}

const percent = (share) => (share >= 0.0005 ? `${(100 * share).toFixed(1)}%` : share > 0 ? "<0.1%" : "0");

// Of each candidate two bars: grey as the model has it, red as it is drawn; the longest fills the width.
function bars({ p, q }, most) {
  const svg = make("svg", { viewBox: "0 0 100 14", preserveAspectRatio: "none", height: 14, "aria-hidden": "true" });
  svg.append(make("rect", { class: "p", width: (100 * p) / most, height: 6, y: 0 }), make("rect", { class: "q", width: (100 * q) / most, height: 6, y: 7 }));
  return svg;
}

function showPlace() {
  const place = shown.places[here];
  const longest = Math.max(...(place?.candidates ?? []).flatMap(({ p, q }) => [p, q]));
  $("#candidates").replaceChildren(
    ...(place?.candidates ?? []).map((one) => {
      const drawn = one.id === place.id;
      const note = drawn ? say("drawn") : one.out ? `${say("out")} ${one.out}` : percent(one.q);
      const choose = () => draw([...shown.places.slice(0, here).map(({ id }) => id), one.id], here);
      const button = make("button", { type: "button", class: drawn ? "drawn" : one.out ? "out" : "", click: choose });
      button.append(make("span", { class: "sign" }, one.text || END), bars(one, longest), make("small", {}, percent(one.p)), make("small", {}, note));
      return make("li", {}, button);
    }),
  );
  const places = shown.places, signs = places.map((one) => one.text).filter(Boolean);
  const pairs = signs.slice(1).map((sign, number) => signs[number] + sign);
  const repeated = (all) => `${all.length - new Set(all).size}／${all.length}`;
  const mean = places.reduce((sum, { entropy }) => sum + entropy, 0) / Math.max(1, places.length);
  facts($("#lens-facts"), [
    [say("fEntropy"), mean.toFixed(2)], [say("fKept"), place ? place.kept.toLocaleString() : "—"],
    [say("fRepeated"), repeated(signs)], [say("fPairs"), repeated(pairs)],
    [say("fSpeed"), `${Math.round(places.length / shown.seconds)} ${say("perSecond")}`],
  ]);
}

function showEntropy(most) {
  const count = Math.max(1, shown.places.length);
  const svg = make("svg", { viewBox: `0 0 ${count} 100`, preserveAspectRatio: "none", role: "img" });
  svg.setAttribute("aria-label", shown.places.map(({ text, entropy }) => `${text} ${entropy.toFixed(1)}`).join(", "));
  svg.append(
    ...shown.places.map(({ entropy }, number) => {
      const height = (96 * entropy) / most;
      return make("rect", { class: number === here ? "here" : "e", x: number + 0.12, width: 0.76, y: 100 - height, height });
    }),
  );
  $("#entropy").replaceChildren(svg);
}

async function compare() {
  tell(status, say("drawing"));
  try {
    const traces = await Promise.all(SAMPLERS.map((sampler) => trace(asked({ sampler }))));
    const articles = traces.map(({ prompt, places }, number) => {
      const written = places.map((place) => place.text).join("");
      const mean = places.reduce((sum, { entropy }) => sum + entropy, 0) / Math.max(1, places.length);
      const head = make("h2", {}, `${SAMPLERS[number]} · ${mean.toFixed(2)} bit`);
      return make("article", {}, head, make("p", { lang: "zh-CN" }, prompt + written));
    });
    $("#side").replaceChildren(...articles);
    $("#side").hidden = false;
    tell(status, "");
  } catch (error) {
    tell(status, say("failed") + error.message, true);
  }
}

export function openLens(values) {
  for (const name of ["prompt", "sampler", ...NUMBERS]) if (values.has(name)) form.elements[name].value = values.get(name);
  if (!shown || values.has("prompt")) draw((values.get("ids") ?? "").split(".").filter(Boolean).map(Number));
}

export const showAgain = () => shown && show();

form.addEventListener("submit", (event) => {
  event.preventDefault();
  draw();
});
$("#reseed").addEventListener("click", () => {
  form.seed.value = newSeed();
  draw();
});
$("#compare").addEventListener("click", compare);
text.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const next = step && text.querySelectorAll("button")[here + step];
  if (next) {
    look(here + step);
    next.focus();
  }
});
