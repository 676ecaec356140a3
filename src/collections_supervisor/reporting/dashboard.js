(() => {
  // By the reader's own clock: a page that nobody writes any more must not go on looking well.
  const root = document.documentElement;
  const banner = document.getElementById("stale");
  const staleAt = Date.parse(root.dataset.staleAt);
  const check = () => {
    if (Date.now() <= staleAt || !banner.hidden) return;
    const headline = document.querySelector("h1");
    banner.hidden = false;
    root.classList.add("past");
    headline.textContent = "Last known: " + headline.textContent;
    document.querySelector(".verdict use").setAttribute("href", "#shape-unknown");
    document.title = "Out of date: " + document.title;
  };
  check();
  setInterval(check, 1000);
})();
