() => {
  const body = document.body;
  const near = 160; // pixels from the bottom within which the page follows the answer

  const places = {}; // view -> where its reader was
  const show = (view) => {
    places[body.dataset.view] = document.scrollingElement.scrollTop;
    body.dataset.view = view;
    document.scrollingElement.scrollTop = places[view] || 0;
    body.classList.remove('sheet');
    document.querySelectorAll('[data-view]').forEach((one) => {
      if (one !== body) one.setAttribute('aria-current', one.dataset.view === view ? 'page' : 'false');
    });
  };

  const showSources = (turn, card) => {
    body.classList.add('sheet');
    document.querySelectorAll('#sources .group').forEach((group) => {
      group.hidden = group.dataset.turn !== turn;
    });
    document.querySelectorAll('#sources .card.found').forEach((one) => one.classList.remove('found'));
    if (!card) return;
    card.open = true;
    card.classList.add('found');
    card.scrollIntoView({ block: 'nearest', behavior: 'smooth' });
  };
  const cardOf = ({ turn, marker, place }) => { // by the number in the answer, or the place among all
    const [name, value] = marker ? ['marker', marker] : ['place', place];
    return value && document.querySelector(
      `#sources .card[data-turn="${CSS.escape(turn)}"][data-${name}="${CSS.escape(value)}"]`);
  };

  const cardKey = ({ turn, place }) => `${turn} ${place}`;
  const opened = new Set(); // cards, which are drawn anew at each passage that is read
  document.addEventListener('toggle', ({ target }) => {
    if (!target.matches('#sources .card')) return;
    if (target.open) opened.add(cardKey(target.dataset)); else opened.delete(cardKey(target.dataset));
  }, true);
  const openAgain = () => document.querySelectorAll('#sources .card').forEach((card) => {
    if (opened.has(cardKey(card.dataset))) card.open = true;
    const look = card.querySelector('.look');
    if (look && looked.has(cardKey(card.dataset)) && !isUnfolded(look)) unfold(look);
  });

  // The original page below the passage; card -> the address of its picture, and where that is in memory.
  const looked = new Map();
  const isUnfolded = (look) => look.getAttribute('aria-expanded') === 'true';
  const forget = (key) => {
    looked.get(key)?.blob.then(URL.revokeObjectURL, () => {});
    looked.delete(key);
  };
  const load = async (picture) => {
    const language = document.documentElement.lang.slice(0, 2);
    const reply = await fetch(new URL(`${picture}&lang=${language}`, `${window.gradio_config.root}/`));
    if (!reply.ok) throw new Error(await reply.text());
    return URL.createObjectURL(await reply.blob());
  };
  const unfold = (look) => {
    const key = cardKey(look.closest('.card').dataset);
    const { picture, failed } = look.dataset;
    look.setAttribute('aria-expanded', 'true');
    look.dataset.show = look.textContent;
    look.textContent = look.dataset.hide;
    if (looked.get(key)?.picture !== picture) { // other lines are marked than before
      forget(key);
      looked.set(key, { picture, blob: load(picture) });
    }
    const figure = document.createElement('figure');
    figure.className = 'original waiting';
    look.after(figure);
    looked.get(key).blob.then((address) => {
      const [large, image] = ['a', 'img'].map((name) => document.createElement(name));
      image.alt = look.dataset.show;
      image.src = large.href = address;
      large.target = '_blank';
      large.append(image);
      figure.append(large);
    }).catch((error) => {
      figure.textContent = `${failed} ${error.message}`;
    }).finally(() => figure.classList.remove('waiting'));
  };
  const fold = (look) => {
    look.setAttribute('aria-expanded', 'false');
    look.textContent = look.dataset.show;
    look.parentElement.querySelector('.original')?.remove();
    forget(cardKey(look.closest('.card').dataset));
  };

  // What a term of the account means, for who has no pointer to rest on it.
  const help = document.createElement('p');
  help.className = 'help';
  help.setAttribute('role', 'status');
  const explain = (term) => {
    const home = term.closest('td, .times');
    if (home) home.append(help); else term.closest('table').after(help);
    help.textContent = term.dataset.help;
  };

  // Where to search: the panel is opened and closed here, what is chosen in it is told by its fields.
  const where = () => document.querySelector('#scope .where');
  let unpicked = false; // a chip was removed, and the focus with it
  const openScope = (open) => {
    body.classList.toggle('scoping', open);
    where()?.setAttribute('aria-expanded', String(open));
    const panel = document.querySelector('#scope-panel');
    if (!panel) return;
    panel.setAttribute('role', 'dialog');
    panel.setAttribute('aria-label', where()?.textContent || '');
    if (open && matchMedia('(hover: hover)').matches) panel.querySelector('input, textarea')?.focus();
  };
  const closeScope = () => {
    if (!body.matches('.scoping')) return;
    openScope(false);
    where()?.focus();
  };
  const clearDays = (kind) => document.querySelectorAll('#days input').forEach((one) => {
    if (kind === 'all' || kind === one.dataset.kind) one.value = '';
  });
  const key = (one) => `${one.dataset.kind} ${one.dataset.value}`;
  const ticked = new Map(); // what the chips don't show yet
  const tickAsChosen = () => { // whichever of the two was drawn last
    const chosen = new Set([...document.querySelectorAll('#scope li button')].map(key));
    document.querySelectorAll('#choices input').forEach((one) => {
      if (ticked.get(key(one)) === chosen.has(key(one))) ticked.delete(key(one));
      one.checked = ticked.get(key(one)) ?? chosen.has(key(one));
    });
  };
  document.addEventListener('click', ({ target }) => { // Gradio redraws before the change is told
    if (target.matches('#choices input')) ticked.set(key(target), target.checked);
  }, true);

  const toQuestion = ({ detail }) => { // by key or mouse: on a phone a keyboard would cover the page
    if (!detail || matchMedia('(hover: hover)').matches) document.querySelector('#question textarea').focus();
  };
  const forgetLarge = () => document.querySelectorAll('.too-large').forEach((one) => one.remove());

  const setTheme = (dark) => body.classList.toggle('dark', dark);

  document.addEventListener('click', (event) => {
    const target = event.target.closest('button');
    const term = event.target.closest('[data-help]');
    if (term) explain(term);
    if (!event.target.closest('#sources')) body.classList.remove('sheet');
    if (body.matches('.scoping') && !event.target.closest('#scope, #scope-panel')) openScope(false);
    if (!target) return;
    if (target.matches('#ask, #stop, #clear, .examples button')) toQuestion(event); // most of these vanish
    if (target.matches('#documents-view button, .languages button')) forgetLarge();
    if (target.dataset.view) show(target.dataset.view);
    if (target.dataset.event === 'language') localStorage.setItem('kaoju-language', target.dataset.code);
    if (target.matches('#scope .where')) openScope(!body.matches('.scoping'));
    if (target.matches('#scope-panel .done')) closeScope();
    if (target.id === 'clear') { clearDays('all'); ticked.clear(); opened.clear(); [...looked.keys()].forEach(forget); }
    if (target.dataset.event === 'unpick') {
      clearDays(target.dataset.kind);
      ticked.clear();
      unpicked = Boolean(target.closest('#scope'));
    }
    if (target.matches('.chip, .show, .near')) showSources(target.dataset.turn, cardOf(target.dataset));
    if (target.matches('.look')) (isUnfolded(target) ? fold : unfold)(target);
    if (target.matches('#sources .close')) body.classList.remove('sheet');
    if (target.matches('.theme')) {
      setTheme(!body.classList.contains('dark'));
      localStorage.setItem('kaoju-theme', body.classList.contains('dark') ? 'dark' : 'light');
    }
  });

  // Enter that chooses a word in an input method is not yet a question.
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') {
      body.classList.remove('sheet');
      closeScope();
    }
    if (event.key === 'Enter' && (event.isComposing || event.keyCode === 229)) event.stopPropagation();
  }, true);

  document.addEventListener('focusin', (event) => {
    unpicked = false;
    if (event.target.matches('[data-help]')) explain(event.target);
    if (body.matches('.scoping') && !event.target.closest('#scope, #scope-panel')) openScope(false);
  });

  const dropped = (event) => {
    const input = document.querySelector('input[type=file]');
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault(); // else the browser leaves the page for the file
    if (body.dataset.view !== 'documents') event.dataTransfer.dropEffect = 'none';
    if (body.dataset.view !== 'documents' || event.type !== 'drop' || !input) return;
    input.files = event.dataTransfer.files;
    input.dispatchEvent(new Event('change', { bubbles: true }));
  };
  document.addEventListener('dragover', dropped);
  document.addEventListener('drop', dropped);

  const refuseLarge = (file, { tooLarge }) => {
    const notice = document.createElement('p');
    notice.className = 'notice error too-large';
    notice.setAttribute('role', 'alert');
    notice.textContent = tooLarge.replace('{name}', () => file.name);
    document.querySelector('#documents').before(notice); // in it, the next step of a sync would take it away
  };

  // Gradio would refuse the same, with all that were chosen beside it and in English alone.
  document.addEventListener('change', (event) => {
    const about = document.querySelector('#documents .about');
    if (!about || !event.target.matches('input[type=file]')) return;
    const others = new DataTransfer();
    forgetLarge();
    for (const file of event.target.files) {
      if (file.size > about.dataset.limit * 2 ** 20) refuseLarge(file, about.dataset); else others.items.add(file);
    }
    event.target.files = others.files;
    if (!others.files.length) event.stopImmediatePropagation();
  }, true);

  const started = new WeakMap(); // <time> -> [its data-elapsed, when that was seen]
  setInterval(() => {
    document.querySelectorAll('.waiting time').forEach((one) => {
      const said = one.dataset.elapsed;
      if (started.get(one)?.[0] !== said) started.set(one, [said, performance.now() - 1000 * said]);
      const seconds = (performance.now() - started.get(one)[1]) / 1000;
      one.textContent = one.textContent.replace(/[\d.]+/, seconds.toFixed(seconds < 10 ? 1 : 0));
    });
  }, 100);

  const page = document.scrollingElement;
  const above = (turn) => // pixels of it behind the bar
    document.querySelector('#bar').getBoundingClientRect().bottom - turn.getBoundingClientRect().top;
  let following = true;
  let question = '';
  let busy = false;
  document.addEventListener('scroll', () => {
    following = page.scrollHeight - page.scrollTop - page.clientHeight < near;
  }, { passive: true });
  new MutationObserver((records) => {
    const bar = document.querySelector('#bar .bar');
    if (bar) document.documentElement.lang = bar.dataset.language === 'zh' ? 'zh-CN' : 'en';
    if (bar && !document.querySelector('[aria-current]')) show(body.dataset.view || 'ask');
    where()?.setAttribute('aria-expanded', String(body.matches('.scoping')));
    if (unpicked && document.activeElement === body) where()?.focus();
    if (records.some(({ target }) => target.closest?.('#scope, #choices'))) tickAsChosen();
    if (records.some(({ target }) => target.closest?.('#sources'))) openAgain();
    const turn = document.querySelector('#live .turn');
    const asked = turn ? turn.dataset.turn : '';
    if (asked !== question) following = true;
    question = asked;
    const ended = busy && turn && !turn.matches('.busy');
    if (turn) busy = turn.matches('.busy');
    if ((busy || ended) && following) page.scrollTop = page.scrollHeight;
    if (ended && following) page.scrollTop -= Math.max(0, above(turn)); // its beginning, if all has no room
  }).observe(body, { childList: true, subtree: true, characterData: true });

  const theme = localStorage.getItem('kaoju-theme');
  if (theme) setTheme(theme === 'dark');
  show('ask');
}
