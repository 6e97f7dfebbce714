// The page's words in both languages, and the server behind it.

// A number below 100 as Chinese writes it.
function numeral(number) {
  const digit = (one) => "零一二三四五六七八九"[one];
  if (number < 10) return digit(number);
  const [tens, ones] = [Math.floor(number / 10), number % 10];
  return (tens > 1 ? digit(tens) : "") + "十" + (ones ? digit(ones) : "");
}

const WORDS = {
  zh: {
    skip: "跳到正文", rooms: "栏目", verse: "写诗", lens: "采样", language: "English",
    beginning: "起句", beginningHint: "可空，如：春风", title: "题目", titleHint: "可空，如：秋夜",
    keywords: "须用之词", keywordsHint: "可空，如：明月，故乡", form: "体裁", pattern: "格式", own: "自定",
    tones: "平仄", tonesOff: "不拘", tonesLoose: "宽", tonesTang: "唐", tonesStrict: "严", tune: "词牌", ofForm: "依体裁",
    rhyme: "押韵", rhymeOff: "不拘", rhymePingshui: "平水韵", rhymeModern: "中华新韵", rhymeCilin: "词林正韵", rhymeTongyun: "中华通韵",
    acrostic: "藏头", acrosticHint: "可空，每句首字", pictureCaption: "○ 平　● 仄　◐ 可平可仄　朱色为韵",
    write: "落笔", search: "多写几首，取其佳者", poem: "诗稿", another: "再来一首", marks: "标平仄", copy: "抄录",
    link: "复制链接", writing: "运笔中……", searching: "写了 24 首，正在挑选……", copied: "已抄录。",
    linked: "链接已抄录：凭它可得同一首。", empty: "纸已铺好。",
    mForm: "体裁", mFaults: "格律", mRegulated: "合律", mNone: "无所犯", mTones: "合平仄", mRhyme: "韵部", mRepeated: "重字", mParallels: "对仗",
    comma: "；",
    fault: ({ kind, line, place, character }) =>
      kind + (line ? `：第${numeral(line)}句` : "") + (place ? `第${numeral(place)}字` : "") + (character && `「${character}」`),
    text: "文字", sampler: "采样方法", length: "字数", seed: "种子", temperature: "温度", draw: "采样", reseed: "换种子", compare: "三种方法对照", textSoFar: "已有文字",
    candidates: "此处十个最可能的字；点一个，从那里另写下去", entropy: "逐字的熵（比特）：越高，模型越拿不定",
    fEntropy: "平均熵", fKept: "候选字数", fRepeated: "重字", fPairs: "重复的二字组", fSpeed: "速度", perSecond: "字／秒",
    drawing: "采样中……", drawn: "所取", headP: "原概率", headQ: "截断后", out: "出局", keyTitle: "此处需要口令", keep: "记下",
    footer: "文字由模型写成，格律在落笔时守住。设置与种子相同，所得必同。", failed: "没有写成：",
  },
  en: {
    skip: "Skip to the content", rooms: "Rooms", verse: "Verse", lens: "Sampler", language: "中文",
    beginning: "Beginning", beginningHint: "may be empty; 春风", title: "Title", titleHint: "may be empty; 秋夜",
    keywords: "Words to hold", keywordsHint: "may be empty; 明月，故乡", form: "Form", pattern: "Pattern", own: "own",
    tones: "Tones", tonesOff: "free", tonesLoose: "loose", tonesTang: "as Tang", tonesStrict: "strict", tune: "Tune", ofForm: "by the form",
    rhyme: "Rhyme", rhymeOff: "free", rhymePingshui: "classical", rhymeModern: "modern", rhymeCilin: "ci (cilin)", rhymeTongyun: "modern (tongyun)",
    acrostic: "Acrostic", acrosticHint: "may be empty; a character a line",
    pictureCaption: "○ level, ● oblique, ◐ either; red: rhyme",
    write: "Write", search: "Write many, keep the best", poem: "Poem", another: "Another", marks: "Show tones",
    copy: "Copy", link: "Copy link", writing: "Writing…", searching: "Choosing among 24…", copied: "Copied.",
    linked: "Link copied: it writes the same poem again.", empty: "The paper is ready.",
    mForm: "Form", mFaults: "Faults", mRegulated: "none, regulated", mNone: "none", mTones: "Tones kept", mRhyme: "Rhyme", mRepeated: "Repeated", mParallels: "Parallels",
    comma: ", ",
    fault: ({ kind, line, place, character }) =>
      [kind, line && `line ${line}`, place && `character ${place}`, character].filter(Boolean).join(" "),
    text: "Text", sampler: "sampler", length: "tokens", seed: "seed", temperature: "temperature", draw: "Draw", reseed: "New seed", compare: "Three samplers side by side",
    textSoFar: "Text so far", candidates: "The ten likeliest here; choose one to go on from it",
    entropy: "Entropy along the text (bits): the higher, the less sure", fEntropy: "Mean entropy", fKept: "Kept here",
    fRepeated: "Repeated", fPairs: "Repeated pairs", fSpeed: "Speed", perSecond: "tokens/s", drawing: "Drawing…",
    drawn: "drawn", headP: "the model's", headQ: "after the cuts", out: "out", keyTitle: "This server asks for a key", keep: "Keep",
    footer: "Written by a model that keeps the rules as it writes. The same settings and seed give the same text.",
    failed: "Nothing was written: ",
  },
};

let language = localStorage.getItem("kgpt2-language") ?? (navigator.language.startsWith("zh") ? "zh" : "en");

export const $ = (selector, root = document) => root.querySelector(selector);
export const say = (name) => WORDS[language][name];

export function speak() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const one of document.querySelectorAll("[data-i18n]")) one.textContent = say(one.dataset.i18n);
  for (const one of document.querySelectorAll("[data-i18n-placeholder]")) one.placeholder = say(one.dataset.i18nPlaceholder);
  for (const one of document.querySelectorAll("[data-i18n-label]")) one.setAttribute("aria-label", say(one.dataset.i18nLabel));
  const button = $("#language");
  button.textContent = say("language");
  button.lang = language === "zh" ? "en" : "zh-CN";
}

export function switchLanguage() {
  language = language === "zh" ? "en" : "zh";
  localStorage.setItem("kgpt2-language", language);
  speak();
}

// An element with attributes and children; attributes that are functions listen.
export function make(tag, attributes = {}, ...children) {
  const svg = ["svg", "rect", "title"].includes(tag);
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value !== undefined && value !== false) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

export function facts(list, pairs) {
  list.replaceChildren(...pairs.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}

export function tell(place, text, wrong = false) {
  place.textContent = text;
  place.classList.toggle("wrong", wrong);
}

async function keyAsked() {
  const dialog = $("#key-dialog");
  dialog.showModal();
  await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
  sessionStorage.setItem("kgpt2-key", $("#key").value);
}

export async function ask(path, body, signal) {
  const key = sessionStorage.getItem("kgpt2-key");
  const headers = {
    "Content-Type": "application/json",
    "Accept-Language": language,
    ...(key && { Authorization: `Bearer ${key}` }),
  };
  const request = body ? { method: "POST", body: JSON.stringify(body) } : {};
  const answer = await fetch(path, { ...request, headers, signal });
  if (answer.status === 401) {
    await keyAsked();
    return ask(path, body, signal);
  }
  if (!answer.ok) throw new Error((await answer.json()).error.message);
  return answer;
}

export const answered = async (...request) => (await ask(...request)).json();

// The objects of a streamed answer, as they come.
export async function* events(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith("data: ") || line === "data: [DONE]") continue;
      const event = JSON.parse(line.slice(6));
      if (event.error) throw new Error(event.error.message);
      yield event;
    }
  }
}

export const newSeed = () => crypto.getRandomValues(new Uint32Array(1))[0];
