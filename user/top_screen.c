// SPDX-License-Identifier: GPL-2.0-only
/*
 * `keyswitch top` on a terminal, see top_screen.h.
 * No colour is needed: what matters is said in words, bold and reverse only help.
 */
#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <ncurses.h>

#include "clock.h"
#include "command.h"
#include "glance.h"
#include "options.h"
#include "signals.h"
#include "top_screen.h"

#define HEAD_LINES 5		/* standing, figures, trouble, views, titles */
#define WIDEST 512		/* columns that are used */

struct screen {
	const struct instance *in;
	struct top_wish *wish;
	struct top_picture now;
	const struct top_row **rows;	/* of `now` */
	size_t n;
	size_t first;			/* row at the top */
	bool paused;
	bool typing;			/* a filter */
	bool help;
	bool done;
	int err;
};

/* ---- drawing ---- */

/* One line, cut to the screen's width: nothing wraps, and a frame's last column stays free. */
static void put(int y, int attributes, const char *text)
{
	char line[WIDEST * 4 + 1];
	int columns = COLS < WIDEST ? COLS : WIDEST;

	glance_name(line, sizeof(line), text, (size_t)columns - 1);
	attrset(attributes);
	mvaddstr(y, 0, line);
	clrtoeol();
	attrset(A_NORMAL);
}

static void put_trouble(int y, const struct standing *s)
{
	char line[WIDEST] = "no trouble";
	size_t at = 0;

	for (size_t i = 0; i < s->troubles && at < sizeof(line); i++)
		at += (size_t)snprintf(line + at, sizeof(line) - at, "%s%s", i ? "; " : "TROUBLE: ",
				       s->trouble[i]);
	put(y, s->troubles ? A_BOLD : A_NORMAL, line);
}

static void put_head(const struct screen *s)
{
	const struct standing *st = &s->now.standing;
	char line[WIDEST], figures[4][GLANCE_MAX];
	time_t now = time(NULL);
	struct tm tm;

	standing_line(line, sizeof(line), st);
	put(0, A_BOLD, line);
	localtime_r(&now, &tm);
	snprintf(line, sizeof(line), "%02d:%02d:%02d%s  connections %s open of %s, %s adopted  "
		 "events lost %s", tm.tm_hour, tm.tm_min, tm.tm_sec, s->paused ? " PAUSED" : "",
		 glance_number(figures[0], (int64_t)s->now.open),
		 glance_number(figures[1], (int64_t)s->now.flows),
		 glance_number(figures[2], (int64_t)s->now.adopted),
		 glance_number(figures[3], (int64_t)st->events_lost));
	put(1, A_NORMAL, line);
	put_trouble(2, st);
}

static void put_views(const struct screen *s)
{
	const struct top_wish *w = s->wish;
	char line[WIDEST] = "";
	size_t at = 0;

	for (int v = 0; v < TOP_VIEWS; v++)
		at += (size_t)snprintf(line + at, sizeof(line) - at, v == (int)w->view ? "[%d %s]" :
				       " %d %s ", v + 1, top_layouts[v].title);
	at += (size_t)snprintf(line + at, sizeof(line) - at, " %zu of %zu", s->n,
			       s->now.rows[w->view].n);
	if (*w->filter)
		snprintf(line + at, sizeof(line) - at, "  /%s", w->filter);
	put(3, A_NORMAL, line);
}

static int figures_width(const struct top_layout *layout)
{
	int width = layout->detail ? 1 : 0;

	for (int v = 0; v < TOP_COLUMNS && layout->columns[v].title; v++)
		width += layout->columns[v].width + 1;
	return width;
}

/* A line of cells; `cell` gives the text of column v. */
static void put_cells(int y, int attributes, const struct top_layout *layout, const char *name,
		      const char *detail, const char (*cells)[GLANCE_MAX])
{
	int columns = COLS < WIDEST ? COLS : WIDEST;
	int room = columns - 1 - figures_width(layout), wide = layout->detail_width;
	char line[WIDEST * 8], text[WIDEST * 4 + 1];
	size_t at;

	/* of the name and of the detail: one is fixed, the other has what is left */
	wide = !layout->detail ? 0 : wide < 0 ? room + wide : wide;
	room -= wide;

	glance_name(text, sizeof(text), name, (size_t)(room > 0 ? room : 0));
	at = (size_t)snprintf(line, sizeof(line), "%s", text);
	if (layout->detail) {
		glance_name(text, sizeof(text), detail, (size_t)(wide > 0 ? wide : 0));
		at += (size_t)snprintf(line + at, sizeof(line) - at, " %s", text);
	}
	for (int v = 0; v < TOP_COLUMNS && layout->columns[v].title; v++)
		at += (size_t)snprintf(line + at, sizeof(line) - at, " %*s",
				       layout->columns[v].width, cells[v]);
	put(y, attributes, line);
}

/* The column that is sorted by is marked. */
static void put_titles(const struct screen *s)
{
	const struct top_layout *layout = &top_layouts[s->wish->view];
	char cells[TOP_COLUMNS][GLANCE_MAX], name[GLANCE_MAX];
	const char *mark = s->wish->reverse ? "^" : "*";

	for (int v = 0; v < TOP_COLUMNS && layout->columns[v].title; v++)
		snprintf(cells[v], sizeof(cells[v]), "%s%s", v == s->wish->sort ? mark : "",
			 layout->columns[v].title);
	snprintf(name, sizeof(name), "%s%s", s->wish->sort < 0 ? mark : "", layout->row);
	put_cells(4, A_REVERSE, layout, name, layout->detail, (const char (*)[GLANCE_MAX])cells);
}

static void put_rows(struct screen *s)
{
	const struct top_layout *layout = &top_layouts[s->wish->view];
	size_t room = (size_t)LINES - HEAD_LINES - 1, most = s->n > room ? s->n - room : 0;

	s->first = s->first > most ? most : s->first;
	for (size_t i = 0; i < room; i++) {
		char cells[TOP_COLUMNS][GLANCE_MAX];
		const struct top_row *row = s->first + i < s->n ? s->rows[s->first + i] : NULL;

		if (!row) {
			put(HEAD_LINES + (int)i, A_NORMAL, "");
			continue;
		}
		for (int v = 0; v < TOP_COLUMNS && layout->columns[v].title; v++)
			top_figure(cells[v], sizeof(cells[v]), layout->columns[v].kind, row->v[v]);
		put_cells(HEAD_LINES + (int)i, A_NORMAL, layout, row->name, row->detail,
			  (const char (*)[GLANCE_MAX])cells);
	}
}

static const char *const help[] = {
	"1 to 5     assets, clients, functions, denied by reason, latest; TAB the next",
	"s S        sort by the next column, by the one before; n by name",
	"r          turn the order round",
	"/          filter by a name: type, ENTER keeps it, ESC takes it away",
	"arrows     a row up, down; PAGE UP, PAGE DOWN, HOME, END",
	"p, SPACE   pause; again goes on",
	"l          look again now",
	"h, ?       this help",
	"q          quit",
	"",
	"NEW: refused since the last look. WOULD: refused if the mode were enforce.",
	"Latest: of the events that 'keyswitch serve' has, so without it nothing.",
	"SENT: bytes of judged requests. '-': not known. FLOWS: tracked connections.",
};

static void put_help(void)
{
	for (int y = HEAD_LINES - 1; y < LINES - 1; y++) {
		size_t i = (size_t)(y - HEAD_LINES + 1);

		put(y, A_NORMAL, i < sizeof(help) / sizeof(help[0]) ? help[i] : "");
	}
}

static void draw(struct screen *s)
{
	char line[128];

	if (LINES < TOP_LINES_MIN || COLS < TOP_COLS_MIN) {
		erase();
		snprintf(line, sizeof(line), "terminal too small: %dx%d, expected %dx%d", COLS,
			 LINES, TOP_COLS_MIN, TOP_LINES_MIN);
		put(0, A_NORMAL, line);
		refresh();
		return;
	}
	put_head(s);
	put_views(s);
	if (s->help) {
		put_help();
	} else {
		put_titles(s);
		put_rows(s);
	}
	if (s->typing)
		snprintf(line, sizeof(line), "filter: %s_", s->wish->filter);
	else
		snprintf(line, sizeof(line), "1-5 view  s sort  r reverse  / filter  p pause  "
			 "h help  q quit");
	put(LINES - 1, A_REVERSE, line);
	refresh();
}

/* ---- state ---- */

static void select_rows(struct screen *s)
{
	free(s->rows);
	s->rows = top_select(&s->now, s->wish, &s->n);
	if (!s->rows)
		s->err = -ENOMEM;
}

static void look(struct screen *s)
{
	struct top_picture fresh;

	s->err = top_take(&fresh, s->in, s->now.taken ? &s->now : NULL);
	/* names of a policy that is just being replaced: the next look has them */
	if (s->err == -EAGAIN && s->now.taken) {
		s->err = 0;
		top_free(&fresh);
		return;
	}
	free(s->rows);
	s->rows = NULL;
	top_free(&s->now);
	s->now = fresh;
	select_rows(s);
}

static int columns_of(const struct top_layout *layout)
{
	int n = 0;

	while (n < TOP_COLUMNS && layout->columns[n].title)
		n++;
	return n;
}

static void set_view(struct screen *s, int view)
{
	s->wish->view = (enum top_view)view;
	s->wish->sort = 0;
	s->wish->reverse = false;
	s->first = 0;
}

static void on_typed(struct screen *s, int key)
{
	char *filter = s->wish->filter;
	size_t len = strlen(filter);

	if (key == '\n' || key == '\r' || key == KEY_ENTER) {
		s->typing = false;
	} else if (key == 27) {
		*filter = '\0';
		s->typing = false;
	} else if ((key == KEY_BACKSPACE || key == 127 || key == 8) && len) {
		filter[len - 1] = '\0';
	} else if (key >= ' ' && key < 127 && len + 1 < sizeof(s->wish->filter)) {
		filter[len] = (char)key;
		filter[len + 1] = '\0';
	}
	s->first = 0;
}

static void on_move(struct screen *s, int key)
{
	size_t page = LINES > HEAD_LINES + 1 ? (size_t)LINES - HEAD_LINES - 1 : 1;

	switch (key) {
	case KEY_UP:
		s->first -= s->first > 0;
		break;
	case KEY_DOWN:
		s->first++;
		break;
	case KEY_PPAGE:
		s->first = s->first > page ? s->first - page : 0;
		break;
	case KEY_NPAGE:
		s->first += page;
		break;
	case KEY_HOME:
		s->first = 0;
		break;
	case KEY_END:
		s->first = s->n;
		break;
	}
}

static void on_key(struct screen *s, int key)
{
	struct top_wish *w = s->wish;
	int columns = columns_of(&top_layouts[w->view]) + 1;

	if (s->typing) {
		on_typed(s, key);
		return;
	}
	switch (key) {
	case '1': case '2': case '3': case '4': case '5':
		set_view(s, key - '1');
		break;
	case '\t':
		set_view(s, ((int)w->view + 1) % TOP_VIEWS);
		break;
	/* -1 is the name: columns go round with it */
	case 's':
		w->sort = (w->sort + 2) % columns - 1;
		break;
	case 'S':
		w->sort = (w->sort + columns) % columns - 1;
		break;
	case 'n':
		w->sort = -1;
		break;
	case 'r':
		w->reverse = !w->reverse;
		break;
	case '/':
		s->typing = true;
		break;
	case 27:
		*w->filter = '\0';
		break;
	case 'p': case ' ':
		s->paused = !s->paused;
		break;
	case 'l':
		look(s);
		break;
	case 'h': case '?':
		s->help = !s->help;
		break;
	case 'q':
		s->done = true;
		break;
	default:
		on_move(s, key);
	}
}

/* ---- the loop ---- */

static int ms_until(uint64_t at)
{
	uint64_t now = clock_monotonic();

	return at > now ? (int)((at - now) / 1000000 + 1) : 0;
}

static void loop(struct screen *s, int signals, uint32_t seconds)
{
	struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN },
				{ .fd = signals, .events = POLLIN } };
	uint64_t next = 0;

	while (!s->done && !s->err) {
		int key;

		if (!ms_until(next)) {
			if (!s->paused || !s->now.taken)
				look(s);
			next = clock_monotonic() + seconds * KS_SECOND;
		}
		if (s->err)
			break;
		draw(s);
		/* EINTR is SIGWINCH, which getch() tells as KEY_RESIZE */
		if (poll(fds, 2, ms_until(next)) < 0 && errno != EINTR)
			s->err = -errno;
		if (fds[1].revents || fds[0].revents & (POLLHUP | POLLERR | POLLNVAL))
			s->done = true;
		while (!s->done && (key = getch()) != ERR)
			on_key(s, key);
		if (!s->err)
			select_rows(s);
	}
}

int top_screen(const struct instance *in, struct top_wish *wish, uint32_t seconds)
{
	struct screen s = { .in = in, .wish = wish };
	const char *term = getenv("TERM");
	int signals = signals_open(SIGQUIT);
	SCREEN *terminal;

	setlocale(LC_CTYPE, "");
	/* newterm() fails where initscr() would exit */
	terminal = newterm(NULL, stdout, stdin);
	if (!terminal) {
		complain("no terminal that can be drawn on (TERM is '%s')", term ? term : "");
		hint("'keyswitch top --once' prints one picture");
		return EXIT_ENVIRONMENT;
	}
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(25);
	curs_set(0);
	loop(&s, signals, seconds);
	endwin();
	delscreen(terminal);
	close(signals);
	free(s.rows);
	top_free(&s.now);
	if (!s.err)
		return EXIT_OK;
	complain("cannot read the instance at '%s': %s", options.pin_dir, strerror(-s.err));
	return EXIT_ENVIRONMENT;
}
