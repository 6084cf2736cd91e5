// Walks through the report as a user would: every category, every result. What it saw goes into the page as JSON.
(async () => {
  const seen = { categories: {}, errors: [], first: null, top: null };
  window.addEventListener("error", (event) => seen.errors.push(event.message));
  const pause = () => new Promise((resolve) => setTimeout(resolve, 60));
  while (app === undefined) await pause();
  // Where the first page begins, in pixels below the top of the window; above it nobody can scroll.
  await pause();
  seen.first = document.querySelector("#app").innerText;
  seen.top = document.querySelector("#app .prose").getBoundingClientRect().top;
  for (const category of Object.keys(categories).sort()) {
    app.showCategory(category);
    await pause();
    const rows = [...document.querySelectorAll("#app table.w-full tbody tr")].map((row) => row.innerText.trim());
    const shown = {};
    for (const path of Object.values(categories[category]).flat()) {
      app.showResultInfo(path);
      await pause();
      const caption = document.querySelector("#app").innerText.length;
      new ToggleViewManager(app).handleSelectedResult(path);
      await pause();
      const content = [...document.querySelectorAll("#app img, #app iframe")].find(
        (element) => element.getAttribute("src") === results[path].data_uri
      );
      shown[path] = content && caption ? content.tagName : null;
    }
    seen.categories[category] = { rows, shown };
  }
  const record = document.createElement("pre");
  record.id = "walk";
  record.textContent = JSON.stringify(seen);
  document.body.append(record);
})();
