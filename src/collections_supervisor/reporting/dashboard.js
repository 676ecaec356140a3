(() => {
  const root = document.documentElement;
  const { refresh, staleAt, lostAt } = root.dataset;
  const asOf = Date.parse(document.getElementById("as-of").dateTime);
  const born = performance.now();

  // What the reader was at survives the renewal (the browser itself keeps the scroll). It goes with the entry of the
  // tab's history, which reaches the next page in order; what is put into storage may come after it.
  const keep = () => {
    const open = [...document.querySelectorAll("details[open]")].map((part) => part.id);
    const focus = document.activeElement?.closest("details")?.id;
    try { history.replaceState({ open, focus }, ""); } catch { /* a browser may limit it: then it is not kept */ }
  };
  const restore = () => {
    const kept = history.state;
    if (!kept) return;
    for (const id of kept.open) document.getElementById(id)?.setAttribute("open", "");
    document.getElementById(kept.focus)?.querySelector("summary").focus({ preventScroll: true });
  };

  const said = (seconds) => {
    const whole = Math.max(0, Math.floor(seconds));
    if (whole < 60) return whole + " s";
    if (whole < 3600) return Math.floor(whole / 60) + " min";
    return whole < 86400 ? Math.floor(whole / 3600) + " h" : Math.floor(whole / 86400) + " d";
  };
  // By the reader's own clock: a page that nobody writes any more must not go on looking well.
  const distrust = () => {
    if (root.classList.contains("past")) return;
    root.classList.add("past");
    const headline = document.querySelector("h1");
    headline.textContent = "Last known: " + headline.textContent;
    document.querySelector(".verdict use").setAttribute("href", "#shape-unknown");
    document.title = "Out of date: " + document.title;
    const icon = document.querySelector("link[rel=icon]");
    icon.href = icon.dataset.unknown;
  };
  const show = (id, wanted) => { document.getElementById(id).hidden = !wanted; };
  const look = () => {
    const now = Date.now();
    const selected = !(getSelection()?.isCollapsed ?? true);
    const due = refresh && performance.now() - born >= refresh * 1000;
    if (due && !selected && !document.hidden) { keep(); location.reload(); return; }
    document.getElementById("age").textContent = " (" + said((now - asOf) / 1000) + " ago by this device's clock)";
    if (!refresh) return;
    const stale = now > Date.parse(staleAt);
    const lost = now > Date.parse(lostAt);
    show("held", due && selected);
    show("stale", stale && !lost);
    show("lost", lost);
    if (stale) distrust();
  };
  restore();
  document.addEventListener("toggle", keep, true);
  document.addEventListener("focusin", keep);
  document.addEventListener("visibilitychange", look);
  setInterval(look, 1000);
  look();
})();
