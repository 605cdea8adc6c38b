// Makes an explorer of every section that perfseer.reporting.explorer wrote: search, filters, sorting, a link
// that keeps them. The table itself is complete without it. Cells are never written, only read.
"use strict";
{
  const PAGED_FROM = 250, PAGE_ROWS = 50, LINK_DELAY_MS = 250;
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  const missing = (value) => value === "" || Number.isNaN(value);
  // What is missing stands last, whichever way the rest is sorted.
  const lastly = (compare) => (a, b) => (missing(a) ? (missing(b) ? 0 : 1) : missing(b) ? -1 : compare(a, b));
  const register = (name, compare) =>
    DataTable.type(name, {
      order: { asc: lastly(compare), desc: lastly((a, b) => compare(b, a)) },
      search: (text) => DataTable.util.diacritics(text, true), // as it is, and without accents
    });
  register("explorer-text", collator.compare);
  register("explorer-number", (a, b) => a - b);

  const read = (cell, kind) => {
    const text = cell.textContent.trim();
    return kind === "number" ? (text === "" ? NaN : Number(cell.dataset.value ?? text)) : text;
  };

  const explore = (section) => {
    const find = (selector) => section.querySelector(selector);
    const search = find("input[type=search]"), state = find("output"), clear = find("button");
    const choices = [...section.querySelectorAll("select")];
    const bounds = [...section.querySelectorAll("input[type=number]")];
    const table = find("table"), scroll = find(".explorer-scroll"), details = find(".explorer-tools details");
    const columns = [...table.tHead.rows[0].cells].map((head) => ({ ...head.dataset }));
    const lines = [...table.tBodies[0].rows];
    const values = columns.map((column, i) => lines.map((line) => read(line.cells[i], column.kind)));
    const place = new Map(columns.map((column, i) => [column.name, i]));
    const paged = lines.length > PAGED_FROM;

    // Given as data, cells are made only where they are seen, in a third of the time of adopting thousands.
    const data = lines.map((line) => [...line.cells].map((cell) => cell.innerHTML));
    table.tBodies[0].replaceChildren();
    const grid = new DataTable(table, {
      autoWidth: false,
      layout: { topStart: null, topEnd: null, bottomStart: paged ? "paging" : null, bottomEnd: null },
      order: [],
      pageLength: PAGE_ROWS,
      paging: paged,
      language: { zeroRecords: "Nothing is like this.", emptyTable: "Nothing is here." },
      data,
      columns: columns.map((column, i) => ({
        ariaTitle: column.label,
        cellType: i ? "td" : "th",
        className: column.kind,
        createdCell: (cell) => i || cell.setAttribute("scope", "row"),
        orderSequence: ["asc", "desc"],
        render: (shown, use, row, meta) => (use === "sort" ? values[i][meta.row] : shown),
        searchable: column.kind === "text",
        type: `explorer-${column.kind}`,
      })),
    });
    const pages = find(".dt-paging");
    if (pages) scroll.after(pages); // so that it does not scroll away sideways

    const tests = () => [
      ...choices.filter((choice) => choice.value !== "").map((choice) => {
        const texts = values[place.get(choice.dataset.column)];
        return (row) => texts[row] === choice.value;
      }),
      ...bounds.filter((bound) => bound.value !== "").map((bound) => {
        const numbers = values[place.get(bound.dataset.column)], limit = Number(bound.value);
        return bound.dataset.bound === "min" ? (row) => numbers[row] >= limit : (row) => numbers[row] <= limit;
      }),
    ];

    const link = () => {
      const kept = new URLSearchParams();
      if (search.value) kept.set("q", search.value);
      const [order] = grid.order();
      if (order) kept.set("sort", `${columns[order[0]].name}.${order[1]}`);
      for (const choice of choices) if (choice.value) kept.set(choice.dataset.column, choice.value);
      for (const bound of bounds)
        if (bound.value) kept.set(`${bound.dataset.column}.${bound.dataset.bound}`, bound.value);
      return kept.size ? `#${section.id}?${kept}` : "";
    };
    let waiting = 0;
    const remember = () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => {
        const hash = link();
        // Another part of the page keeps its anchor while nothing is chosen here.
        if (!hash && !location.hash.startsWith(`#${section.id}`)) return;
        history.replaceState(null, "", hash || location.pathname + location.search);
      }, LINK_DELAY_MS);
    };

    const tell = () => {
      const shown = grid.page.info();
      const n = (value) => value.toLocaleString("en");
      const part = shown.pages > 1 ? `, ${n(shown.start + 1)} to ${n(shown.end)} shown` : "";
      state.textContent = `${n(shown.recordsDisplay)} of ${n(shown.recordsTotal)} ${section.dataset.things}${part}`;
      const active = bounds.filter((bound) => bound.value !== "").length;
      if (details) details.querySelector("summary span").textContent = active ? ` (${active} set)` : "";
      clear.disabled = link() === "";
    };
    const update = () => {
      const held = tests();
      grid.search.fixed("filters", held.length ? (text, data, row) => held.every((test) => test(row)) : null);
      grid.search(search.value).draw();
      remember();
    };

    const restore = () => {
      const [target, query = ""] = location.hash.split(/\?(.*)/s);
      if (target !== `#${section.id}`) return;
      const kept = new URLSearchParams(query);
      search.value = kept.get("q") ?? "";
      for (const choice of choices) {
        choice.value = kept.get(choice.dataset.column) ?? "";
        if (choice.selectedIndex < 0) choice.value = "";
      }
      for (const bound of bounds) bound.value = kept.get(`${bound.dataset.column}.${bound.dataset.bound}`) ?? "";
      const [, name, way] = /^(.*)\.(asc|desc)$/.exec(kept.get("sort") ?? "") ?? [];
      grid.order(place.has(name) ? [[place.get(name), way]] : []);
      if (details) details.open ||= bounds.some((bound) => bound.value !== "");
      update();
      section.scrollIntoView();
    };

    for (const control of [search, ...bounds]) control.addEventListener("input", update);
    for (const choice of choices) choice.addEventListener("change", update);
    clear.addEventListener("click", () => {
      for (const control of [search, ...choices, ...bounds]) control.value = "";
      grid.order([]);
      update();
      search.focus();
    });
    table.tHead.addEventListener("keydown", (event) => {
      if (event.key !== " " || event.target.getAttribute("role") !== "button") return; // Enter: DataTables
      event.preventDefault();
      event.target.click();
    });
    grid.on("order", remember);
    grid.on("draw", tell);
    grid.on("page", () => scroll.scrollTo({ top: 0 }));
    addEventListener("hashchange", restore);
    if (paged) { // paper has no pages to turn
      addEventListener("beforeprint", () => grid.page.len(-1).draw());
      addEventListener("afterprint", () => grid.page.len(PAGE_ROWS).draw());
    }
    find(".explorer-tools").hidden = false;
    tell();
    restore();
  };

  for (const section of document.querySelectorAll("section.explorer")) explore(section);
}
