(() => {
  'use strict';
  const all = (selector, root) => Array.from((root || document).querySelectorAll(selector));
  const q = document.getElementById('q');
  const live = document.getElementById('live');
  const said = document.getElementById('said');
  const asked = new URLSearchParams(location.search);
  const askedFor = q.value; // what the page was made for
  const madeAt = live.textContent;

  // What the server sent last of each region: only what differs from that is put in.
  const sent = new Map(all('[data-region]').map((region) => [region.dataset.region, region.outerHTML]));
  const enhance = (root) => all('.copy', root).forEach((button) => { button.hidden = !navigator.clipboard; });

  // Where a person is in a region, to be there again in the one that takes its place.
  const placeIn = (region) => {
    const active = document.activeElement;
    const focusable = (root) => all('a, button, input, summary, [tabindex]', root);
    const matrix = region.querySelector('.matrix');
    return {
      open: all('details[open]', region).map((d) => d.dataset.key),
      scroll: matrix && [matrix.scrollLeft, matrix.scrollTop],
      key: region.contains(active) && (active.id || active.getAttribute('href') || active.closest('[data-key]')?.dataset.key),
      index: focusable(region).indexOf(active),
      value: region.contains(active) && 'value' in active ? [active.value, active.selectionStart, active.selectionEnd] : null,
      restore(now) {
        all('details', now).forEach((d) => { d.open = this.open.includes(d.dataset.key); });
        const again = now.querySelector('.matrix');
        if (again && this.scroll) [again.scrollLeft, again.scrollTop] = this.scroll;
        if (this.index < 0) return;
        const list = focusable(now);
        const same = list.find((e) => this.key && (e.id === this.key || e.getAttribute('href') === this.key || e.closest('[data-key]')?.dataset.key === this.key));
        const target = same || list[Math.min(this.index, list.length - 1)] || q;
        target.focus({ preventScroll: true });
        if (this.value && 'value' in target) {
          target.value = this.value[0];
          if (this.value[1] !== null) target.setSelectionRange(this.value[1], this.value[2]);
        }
      },
    };
  };

  // What a person looks at stays where it is on the screen.
  const anchored = (change) => {
    const anchor = all('main section').find((section) => section.getBoundingClientRect().bottom > 80);
    const before = anchor && [anchor.getAttribute('aria-labelledby'), anchor.getBoundingClientRect().top];
    change();
    if (!before || scrollY === 0) return;
    const after = document.querySelector(`section[aria-labelledby="${before[0]}"]`);
    if (after) scrollBy(0, after.getBoundingClientRect().top - before[1]);
  };

  const put = (fresh, byPerson) => {
    all('[data-region]', fresh).forEach((region) => {
      const name = region.dataset.region;
      const old = document.querySelector(`[data-region="${name}"]`);
      const html = region.outerHTML;
      if (!old || region.hasAttribute('data-keep') || comparable(html) === comparable(sent.get(name))) return;
      sent.set(name, html);
      const place = placeIn(old);
      const now = document.importNode(region, true);
      all('[data-keep]', now).forEach((kept) => { // what the script writes
        const mine = kept.id && old.querySelector(`#${kept.id}`);
        if (mine) kept.replaceWith(mine);
      });
      enhance(now);
      if (!byPerson) now.classList.add('news');
      old.replaceWith(now);
      place.restore(now);
    });
  };
  const comparable = (html) => (html || '').replace(/as of [^<]*/, '');

  // Asking for what is new. One question at a time: what happens meanwhile is one more.
  let version = document.body.dataset.version;
  let running = null;
  let again = false;
  const refresh = (byPerson) => {
    if (running && !byPerson) { again = true; return; }
    if (running) running.abort();
    const request = new XMLHttpRequest();
    const query = new URLSearchParams();
    const text = q.value.trim();
    if (text) query.set('q', text);
    if (text.toLowerCase() !== askedFor) query.set('typing', '1');
    else if (asked.get('of')) query.set('of', asked.get('of'));
    request.open('GET', `fragment?${query}`);
    request.responseType = 'document';
    request.timeout = 30000;
    const done = () => {
      if (running !== request) return;
      running = null;
      if (again) { again = false; refresh(false); }
    };
    request.onload = () => {
      if (running === request && request.status === 200 && request.response) {
        anchored(() => put(request.response, byPerson));
        if (byPerson) said.textContent = document.getElementById('hint').textContent;
        const icon = document.getElementById('icon');
        const href = `icon.svg?${document.querySelector('header').dataset.class}`;
        if (icon.getAttribute('href') !== href) icon.setAttribute('href', href);
      }
      done();
    };
    request.onerror = done;
    request.ontimeout = done;
    running = request;
    request.send();
  };

  // Being told. A page that nobody sees does not listen: a browser has few connections to one server.
  let events = null;
  const show = (state, text) => { live.className = state; live.textContent = text; };
  const listen = () => {
    if (events || document.hidden || !('live' in document.body.dataset)) return;
    events = new EventSource(`events?since=${version}`);
    events.onopen = () => show('on', 'live');
    events.onerror = () => show('off', events && events.readyState === EventSource.CLOSED ? 'pullsecrets ui does not answer: start it again' : 'connection lost; trying again');
    events.onmessage = (message) => {
      const news = JSON.parse(message.data);
      version = news.version;
      said.textContent = (news.words || []).slice(-3).join(' ');
      refresh(false);
    };
  };
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) { listen(); return; }
    if (events) { events.close(); events = null; show('', madeAt); }
  });
  addEventListener('pagehide', () => { if (events) { events.close(); events = null; } });
  addEventListener('pageshow', listen);

  // Searching.
  let typing = 0;
  q.addEventListener('input', () => {
    clearTimeout(typing);
    typing = setTimeout(() => refresh(true), 120);
  });
  document.addEventListener('keydown', (event) => {
    const inField = event.target.closest('input, textarea, select');
    if (event.key === '/' && !inField && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      q.focus();
      q.select();
    } else if (event.key === 'Escape' && (event.target === q || !inField)) {
      if (q.value) {
        event.preventDefault();
        q.value = '';
        refresh(true);
      } else {
        q.blur();
      }
    }
  });

  // Copying a command.
  document.addEventListener('click', (event) => {
    const button = event.target.closest('.copy');
    if (!button) return;
    navigator.clipboard.writeText(button.previousElementSibling.textContent).then(() => {
      button.textContent = 'Copied';
      said.textContent = 'The command is copied.';
      setTimeout(() => { button.textContent = 'Copy'; }, 2000);
    }, () => { button.textContent = 'Select it'; });
  });

  enhance(document);
  listen();
})();
