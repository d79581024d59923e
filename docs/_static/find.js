// Shows headings that match while one types into the search field. Enter searches the text, as ever.
//
// The index is Sphinx's own. It is loaded when the field is first used, and not on the page of the
// search itself, which defines Search.
(function () {
  "use strict";

  const MOST = 12;
  let index = null;

  // Calls back once the index is there: one may have typed a word by then.
  function load(root, done) {
    if (index || window.Search) return;
    window.Search = { setIndex: (made) => { index = made; done(); } };
    const script = document.createElement("script");
    script.src = root + "searchindex.js";
    document.head.append(script);
  }

  // Headings that have all the words: first those that begin with them, and short ones.
  function matches(text) {
    const words = text.toLowerCase().replaceAll("-", "_").split(/\s+/).filter(Boolean);
    if (!index || !words.length) return [];
    const found = [];
    for (const [heading, places] of Object.entries(index.alltitles)) {
      const plain = heading.toLowerCase().replaceAll("-", "_");
      if (words.every((word) => plain.includes(word))) {
        const rank = (plain.startsWith(words[0]) ? 0 : 100) + plain.length;
        for (const [page, anchor] of places) found.push({ heading, page, anchor, rank });
      }
    }
    return found.sort((a, b) => a.rank - b.rank).slice(0, MOST);
  }

  function entry(root, { heading, page, anchor }) {
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = root + index.docnames[page] + ".html" + (anchor ? "#" + anchor : "");
    link.textContent = heading;
    if (index.titles[page] !== heading) {
      const where = document.createElement("small");
      where.textContent = index.titles[page];
      link.append(where);
    }
    item.append(link);
    return item;
  }

  function begin() {
    const field = document.querySelector(".sidebar-search");
    if (!field) return;
    const root = document.documentElement.dataset.content_root || "./";
    const list = document.createElement("ul");
    list.className = "found";
    list.hidden = true;
    field.closest("form").after(list);
    const show = () => {
      list.replaceChildren(...matches(field.value).map((each) => entry(root, each)));
      list.hidden = !list.children.length;
    };
    field.addEventListener("focus", () => load(root, show));
    field.addEventListener("input", show);
    field.closest("form").parentElement.addEventListener("keydown", (event) => {
      const links = [...list.querySelectorAll("a")];
      const at = links.indexOf(document.activeElement);
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") list.hidden = true;
      if (!step || list.hidden) return;
      event.preventDefault();
      (links[at + step] || field).focus();
    });
  }

  document.addEventListener("DOMContentLoaded", begin);
})();
