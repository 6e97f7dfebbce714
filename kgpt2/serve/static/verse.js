// The room where poems are written.

import { $, answered, ask, events, facts, make, newSeed, say, tell } from "./words.js";

const FORMS = ["五绝", "七绝", "五律", "七律", "对联"];
const FIRST = "七绝";
const OTHERS = ["tune", "pattern"]; // ways to have another form, each with a field of its own
const KEPT = ["prompt", "title", "keywords", "tones", "rhyme", "acrostic"];
const BEST_OF = 24;
const PACE = 55; // milliseconds between two characters

const room = $("#room-verse"), form = $("#verse-form"), poem = $("#poem"), status = $("#verse-status");
let writing = null; // what can be stopped of the poem on its way
let last = null; // the request that the poem came of

// What the fields ask for, in the words of the interface.
function asked() {
  const chosen = $("input[name=form]:checked", form).value;
  const found = { form: form.elements[chosen]?.value ?? chosen };
  for (const name of KEPT) if (form.elements[name].value.trim()) found[name] = form.elements[name].value.trim();
  if (form.tones.disabled) delete found.tones;
  if (form.rhyme.disabled) delete found.rhyme;
  if (found.keywords) found.keywords = found.keywords.split(/[,，、\s]+/).filter(Boolean);
  return found;
}

function fill(values) {
  for (const name of KEPT) form.elements[name].value = values.get(name) ?? "";
  const wanted = values.get("form") ?? FIRST;
  const isTune = [...form.tune.options].some(({ value }) => value === wanted);
  const way = FORMS.includes(wanted) ? wanted : isTune ? "tune" : "pattern";
  if (OTHERS.includes(way)) form.elements[way].value = wanted;
  $(`input[name=form][value=${way}]`, form).checked = true;
  offer();
}

// A tune and a couplet have no choice of all that a poem has; what is not offered is not asked for.
function offer() {
  const chosen = $("input[name=form]:checked", form).value;
  for (const way of OTHERS) $(`.${way}`, form).hidden = chosen !== way;
  form.tones.disabled = chosen === "tune";
  form.rhyme.disabled = chosen === "对联";
  $("option[value=off]", form.rhyme).disabled = chosen === "tune";
}

async function fillTunes() {
  if (form.tune.options.length) return;
  const { tunes } = await answered("verse/tunes").catch(() => ({ tunes: [] })); // asked for anew when the room is entered
  form.tune.replaceChildren(...tunes.map((name) => make("option", { value: name, lang: "zh-CN" }, name)));
}

function addressOf(request) {
  const values = new URLSearchParams();
  for (const name of ["form", ...KEPT, "seed", "best_of"]) if (request[name] !== undefined) values.set(name, request[name]);
  return `#verse?${values}`;
}

async function showPicture() {
  const { form: pattern, tones = form.tones.disabled ? "off" : "tang", rhyme = form.rhyme.disabled ? "off" : "" } = asked();
  const query = new URLSearchParams({ form: pattern, tones, rhyme: rhyme !== "off" });
  const place = $("#picture .tones");
  try {
    const { signs } = await answered(`verse/form?${query}`);
    const lines = [make("span")];
    for (const { sign, tone, rhymes } of signs) {
      const shown = { 平: "○", 仄: "●", 中: "◐" }[tone] ?? sign;
      lines.at(-1).append(rhymes ? make("b", { class: "r" }, shown) : shown);
      if (/[，。！？；、—-]/.test(sign)) lines.push(make("span"));
    }
    place.replaceChildren(...lines.filter((line) => line.textContent));
    place.setAttribute("aria-label", signs.map(({ sign, tone }) => tone || sign).join(""));
  } catch (error) {
    place.replaceChildren(error.message);
  }
}

// Sets a text as verse, a line a clause; what was there stays as it is, so that only new characters appear.
function set(text, given) {
  const clauses = text.match(/[^，。！？；：、-]+[，。！？；：、]?|[，。！？；：、]/g) ?? [];
  let place = 0;
  clauses.forEach((clause, number) => {
    const line = poem.children[number] ?? poem.appendChild(make("p"));
    [...clause].slice(line.children.length).forEach((sign) => {
      line.append(make("span", { class: place + line.children.length < given ? "sign given" : "sign new" }, sign));
    });
    place += clause.length;
  });
}

async function* typed(pieces, signal) {
  let text = "", shown = 0, over = false, failure = null;
  const read = async () => {
    for await (const piece of pieces) text += piece;
  };
  read().catch((error) => (failure = error)).finally(() => (over = true));
  while (!over || shown < text.length) {
    await new Promise((done) => setTimeout(done, PACE));
    if (signal.aborted) return;
    if (shown < text.length) yield text.slice(0, ++shown);
  }
  if (failure) throw failure;
}

// `noted` is told which rules gave way to the beginning.
async function* pieces(request, signal, noted) {
  const answer = await ask("v1/completions", request, signal);
  for await (const event of request.stream ? events(answer) : [await answer.json()]) {
    noted(event.notes ?? []);
    yield event.choices[0]?.text ?? "";
  }
}

async function write(request) {
  writing?.abort();
  const mine = (writing = new AbortController());
  poem.replaceChildren();
  $("#poem-title").textContent = request.title ?? "";
  $("#poem-acts").hidden = $("#measures").hidden = true;
  tell(status, say(request.best_of ? "searching" : "writing"));
  history.replaceState(null, "", addressOf(request));
  if (matchMedia("(max-width: 46rem)").matches) $(".paper").scrollIntoView();
  last = request;
  try {
    let text = "", notes = [];
    const body = { ...request, echo: true, stream: !request.best_of };
    const drawn = pieces(body, mine.signal, (told) => (notes = told));
    for await (text of typed(drawn, mine.signal)) set(text, [...(request.prompt ?? "")].length);
    if (mine.signal.aborted) return;
    tell(status, notes.join("\n"));
    $("#poem-acts").hidden = false;
    await measure(text, request);
  } catch (error) {
    if (!mine.signal.aborted) tell(status, say("failed") + error.message, true);
  }
}

async function measure(text, { form: pattern, tones, rhyme }) {
  const system = rhyme === "off" ? undefined : rhyme;
  const asked = { text, form: pattern, system, tones: tones !== "off", rhymes: rhyme !== "off" };
  const found = await answered("verse/check", asked);
  const signs = found.signs.filter(({ sign }) => sign !== "-");
  poem.querySelectorAll(".sign").forEach((one, place) => (one.dataset.tone = signs[place]?.tone ?? ""));
  const of = ([kept, all]) => all && `${kept}／${all}`;
  facts($("#measures"), [
    [say("mForm"), found.form], [say("mTones"), of(found.tones)], [say("mRhyme"), found.rhyme],
    [say("mParallels"), of(found.parallels)], [say("mRepeated"), of(found.repeated)],
    [say("mFaults"), found.faults.map(say("fault")).join(say("comma")) || say(found.regulated ? "mRegulated" : "mNone")],
  ].filter(([, value]) => value)); // a tune has no tones to count, a couplet no rhyme
  $("#measures").hidden = false;
}

const plain = () => [...poem.children].map((line) => [...line.children].map((sign) => sign.textContent).join("")).join("\n");

async function keep(text, word) {
  await navigator.clipboard.writeText(text);
  tell(status, say(word));
}

export async function openVerse(values) {
  await fillTunes();
  if (values.toString()) fill(values);
  showPicture();
  if (!last) tell(status, say("empty"));
  if (values.has("seed")) {
    const request = { ...asked(), seed: Number(values.get("seed")) };
    if (values.has("best_of")) request.best_of = Number(values.get("best_of"));
    write(request);
  }
}

export function labelForms() {
  for (const one of form.querySelectorAll("#forms [data-way]")) one.textContent = say(one.dataset.way);
}

$("#forms").append(
  ...[...FORMS, ...OTHERS].map((name) => {
    const input = make("input", { type: "radio", name: "form", value: name });
    input.defaultChecked = name === FIRST;
    return make("label", {}, input, OTHERS.includes(name) ? make("span", { "data-way": name === "pattern" ? "own" : name }) : make("span", {}, name));
  }),
);
form.addEventListener("change", (event) => {
  if (event.target.name === "form") {
    form.tones.value = form.rhyme.value = ""; // what was chosen for another form
    offer();
  }
  showPicture();
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  write({ ...asked(), seed: newSeed() });
});
$("#search").addEventListener("click", () => write({ ...asked(), seed: newSeed(), best_of: BEST_OF }));
$("#another").addEventListener("click", () => write({ ...last, seed: newSeed() }));
$("#marks").addEventListener("click", (event) => {
  const on = poem.classList.toggle("marked");
  event.currentTarget.setAttribute("aria-pressed", on);
});
$("#copy").addEventListener("click", () => keep([last.title, plain()].filter(Boolean).join("\n"), "copied"));
$("#link").addEventListener("click", () => keep(new URL(addressOf(last), location.href).href, "linked"));
room.addEventListener("keydown", (event) => {
  if (event.key === "Escape") writing?.abort();
});
