"use strict";
// Sorts tables by their heads, and searches the one of neurons. Without it all is there, in the order it was written.
(() => {
  const value = (cell, numbers) => {
    if ("v" in cell.dataset) return cell.dataset.v;
    const text = cell.textContent.trim();
    if (!numbers) return text === "\u2013" ? "" : text;
    const number = parseFloat(text.replaceAll(",", ""));
    return Number.isNaN(number) ? "" : String(number);
  };
  const compare = (a, b, numbers) => (numbers ? Number(a) - Number(b) : a.localeCompare(b));
  const sortable = (table) => {
    const body = table.tBodies[0];
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, at) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const numbers = head.classList.contains("n");
        const was = head.getAttribute("aria-sort");
        const falling = was ? was === "ascending" : numbers && head.dataset.first !== "low";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", falling ? "descending" : "ascending");
        const rows = [...body.rows].map((row) => [value(row.cells[at], numbers), row]);
        // What is unknown comes last either way.
        rows.sort(([a], [b]) => (a === "") - (b === "") || (a === "" ? 0 : compare(a, b, numbers) * (falling ? -1 : 1)));
        body.append(...rows.map(([, row]) => row));
      });
    });
  };
  document.querySelectorAll("table.sortable").forEach(sortable);
  const box = document.getElementById("search");
  if (!box) return;
  const count = document.getElementById("search-count");
  const all = [...document.getElementById("neurons-table").tBodies[0].rows].map((row) => [row, row.textContent.toLowerCase()]);
  const search = () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const [row, text] of all) {
      row.hidden = !words.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    count.textContent = `${shown} of ${all.length} neurons`;
  };
  box.addEventListener("input", search);
  document.getElementById("tools").hidden = false;
  search();
})();
