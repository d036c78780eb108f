/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The timeline: lanes (phases, faults, events) over panels (dygraphs) that share one x axis, one zoom and one crosshair.
 * Everything drawn comes from the JSON embedded in the page; text goes in by textContent only.
 */
"use strict";
(() => {
const data = JSON.parse(document.getElementById("run-data").textContent);
const host = document.getElementById("chart");
const list = (v) => Array.isArray(v) ? v : [];
const finite = (v) => typeof v === "number" && Number.isFinite(v);
const latency = data.latency || {}, all = latency.all || {};
const phases = list(data.phases).filter((p) => finite(p.start_s) && finite(p.end_s));
const faults = list(data.faults), series = list(data.series), events = list(data.events);
const LABEL_WIDTH = 58;

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const faultColor = (i, alpha) => `rgba(${css(`--fault${i % 4}`)}, ${alpha})`;
const element = (tag, cls, text) => {
	const e = document.createElement(tag);
	if (cls) e.className = cls;
	if (text !== undefined) e.textContent = text;
	return e;
};
const svg = (tag, attrs) => {
	const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
	for (const k in attrs) e.setAttribute(k, attrs[k]);
	return e;
};

/* ---- numbers for people ------------------------------------------------------------------------------------ */
const digits = (v) => Math.abs(v) >= 100 ? 0 : Math.abs(v) >= 10 ? 1 : 2;
const trim = (v) => String(Number(v.toFixed(digits(v))));
const showMs = (v) => Math.abs(v) >= 1000 ? `${trim(v / 1000)} s` : `${trim(v)} ms`;
const showNum = (v) => Math.abs(v) >= 10000 ? `${trim(v / 1000)}k` : trim(v);
const showMiB = (v) => Math.abs(v) >= 1024 ? `${trim(v / 1024)} GiB` : `${trim(v)} MiB`;

/* ---- what is drawn ------------------------------------------------------------------------------------------ */
/*
 * A line: x and y of equal length; y null is "nothing here", which breaks the line, never a 0.
 * reach: how far from a sample its value still holds, for the crosshair.
 */
function windowLine(label, windows, column, color, extra) {
	const half = (latency.window_s || 0) / 2;
	const y = typeof column === "function" ? column : (i) => list(windows[column])[i];
	const x = list(windows.t_s).map((t) => t + half);
	return { label, x, y: x.map((_, i) => { const v = y(i); return finite(v) ? v : null; }), color, gaps: [],
		reach: half * 1.01, ...extra };
}

function seriesLine(label, s, color, extra, scale) {
	const x = list(s.t_s), y = list(s.value).map((v) => finite(v) ? v * (scale || 1) : null);
	const steps = x.slice(1).map((t, i) => t - x[i]).sort((a, b) => a - b);
	const typical = steps.length ? steps[steps.length >> 1] : 1;
	return { label, x, y, color, gaps: list(s.gaps), reach: typical * 2.5, ...extra };
}

const COLORS = ["--blue", "--orange", "--green", "--purple", "--teal", "--pink", "--red", "--grey"];
const named = (name) => series.filter((s) => s.name === name && list(s.t_s).length);
const role = (node) => (list((data.topology || {}).nodes).find((n) => n.name === node) || {}).role;

/* Subjects first: they are what the run is about. */
const bySubject = (a, b) => (role(b.node) === "subject") - (role(a.node) === "subject");

function latencyPanel() {
	const lines = [
		windowLine("max", all, "max_ms", "--grey", { width: 1 }),
		windowLine("p99", all, "p99_ms", "--orange"),
		windowLine("p50", all, "p50_ms", "--blue"),
	];
	const loads = list(latency.loads);
	if (loads.length > 1)
		loads.forEach((l, i) => lines.push(windowLine(`p99 ${l.load}`, l, "p99_ms", COLORS[(i + 2) % 8],
			{ dash: [4, 3], width: 1 })));
	return { title: "Latency", unit: "from the due time", lines, show: showMs, limits: latencyLimits(), canLog: true };
}

/* "latency.p99{route="pay"} <= 250ms in fault": the limit (ns) over the phase that it is for, named with its selector,
 * since the lines are those of all requests. */
function latencyLimits() {
	return list(data.budgets).map((b) => {
		const metric = /^(latency\.\w+)\s*((?:\{(?:"(?:[^"\\]|\\.)*"|[^"}])*\})?)(.*)/.exec(b.text || "");
		if (!metric || !finite(b.limit_value) || / or | and |;/.test(metric[3])) return null;
		const when = / (?:in|at) (\w+)/.exec(metric[3]), phase = when && phases.find((p) => p.name === when[1]);
		return { value: b.limit_value / 1e6, label: metric[1].slice(8) + metric[2],
			from: phase ? phase.start_s : -Infinity, to: phase ? phase.end_s : Infinity };
	}).filter(Boolean);
}

/* The last window ends with the run, so it may be shorter than the others. */
const windowSpan = (i) => Math.max(Math.min(latency.window_s || 1, data.duration_s - list(all.t_s)[i]), .001);

function ratePanel() {
	const ok = list((all.classes || {}).ok);
	return { title: "Requests", unit: "per second", show: showNum, limits: [], lines: [
		windowLine("due", all, (i) => list(all.count)[i] / windowSpan(i), "--grey", { width: 1.2 }),
		windowLine("answered", all, "rate_per_s", "--blue"),
		windowLine("of those due, ok", all, (i) => (ok[i] || 0) / windowSpan(i), "--green", { dash: [4, 3], width: 1.2 }),
	] };
}

function errorPanel() {
	const classes = all.classes || {};
	const names = Object.keys(classes).filter((c) => c !== "ok");
	const colors = ["--red", "--orange", "--purple", "--pink", "--teal", "--grey", "--blue"];
	return { title: "Errors", unit: "per second, stacked", show: showNum, limits: [], stacked: true,
		none: "no request failed",
		lines: names.map((c, i) => windowLine(c.replace(/_/g, " "), all, (k) => list(classes[c])[k] / windowSpan(k),
			colors[i % colors.length])) };
}

function plainPanel(title, unit, names, show, scale) {
	const lines = [];
	for (const [name, label, extra] of names)
		for (const s of named(name).sort(bySubject)) {
			/* The series of all loads are the client's: there the load says whose they are. */
			const load = /^load '(.*)'$/.exec(s.source || ""), whose = load ? load[1] : s.node;
			const many = names.length > 1, who = named(name).length > 1 || s.node !== "client";
			const text = [who ? whose : "", many || !who ? label : ""].filter(Boolean).join(" ");
			lines.push(seriesLine(text, s, COLORS[lines.length % 8], extra, scale));
		}
	return { title, unit, lines, show, limits: [] };
}

function memoryPanel() {
	const p = plainPanel("Memory", "", [["memory.usage", "usage"], ["memory.limit", "limit",
		{ dash: [6, 3], step: true }], ["rss", "rss", { width: 1 }]], showMiB, 1 / 1048576);
	p.lines.forEach((l) => {
		if (/ limit$/.test(l.label)) l.color = "--red";
		if (/ rss$/.test(l.label)) l.dash = [2, 2];
	});
	return p;
}

const panels = [
	latencyPanel(), ratePanel(), errorPanel(),
	plainPanel("Goroutines", "", [["goroutines", "goroutines"]], showNum),
	memoryPanel(),
	plainPanel("Go heap", "", [["heap.live", "live"], ["heap.goal", "goal", { dash: [6, 3], step: true }]], showMiB,
		1 / 1048576),
	plainPanel("Go scheduler", "", [["sched.latency.p99", "wait for a CPU, p99"],
		["sched.stw_pending", "wait for the world to stop", { width: 1 }]], showMs, 1e-6),
	plainPanel("Connections", "of the load", [["load.connections", "open"], ["load.inflight", "in flight"]], showNum),
	plainPanel("CPU", "CPUs used", [["cpu", "cpu"]], showNum),
].filter((p) => p.lines.length || p.none);

/* ---- the x range -------------------------------------------------------------------------------------------- */
let lo = 0, hi = finite(data.duration_s) ? data.duration_s : 1;
for (const p of phases) { lo = Math.min(lo, p.start_s); hi = Math.max(hi, p.end_s); }
if (!(hi > lo)) hi = lo + 1;
const full = [lo, hi];
let view = full, pinned = null;

/* ---- the page ----------------------------------------------------------------------------------------------- */
host.textContent = "";
const bar = element("div", "bar"), now = element("span", "now"), logButton = element("button", "", "log latency"),
	reset = element("button", "", "whole run");
logButton.type = reset.type = "button";
bar.append(now, logButton, reset);
const stack = element("div", "stack idle");
host.append(bar, stack);

function row(cls) {
	const r = element("div", `row ${cls}`), key = element("div", "key"), body = element("div");
	r.append(key, body);
	stack.append(r);
	return { key, body };
}

const lanes = [];
function lane(label, draw, title) {
	const r = row("lane"), s = svg("svg", {});
	r.key.textContent = label;
	r.key.title = title || label;
	r.body.append(s);
	lanes.push({ s, draw });
	return r;
}

function laneText(s, text, x0, x1, y) {
	if (x1 - x0 < 26) return;
	const t = svg("text", { x: x0 + 5, y: y || 14 });
	t.textContent = text;
	s.append(t);
	while (t.textContent.length > 1 && t.getComputedTextLength() > x1 - x0 - 8)
		t.textContent = t.textContent.slice(0, Math.max(0, t.textContent.length - 3)) + "\u2026";
}

function tip(node, text) {
	const t = svg("title", {});
	t.textContent = text;
	node.append(t);
}

lane("phases", (s, X) => phases.forEach((p, i) => {
	const x0 = X(p.start_s), x1 = X(p.end_s);
	if (p.end_s <= view[0] || p.start_s >= view[1]) return;
	s.append(svg("rect", { x: x0, y: 1, width: Math.max(0, x1 - x0), height: 18,
		fill: i % 2 ? css("--phase") : css("--rule"), "fill-opacity": .55 }));
	s.append(svg("line", { x1: x0, x2: x0, y1: 0, y2: 20, stroke: css("--axis"), "stroke-opacity": .5 }));
	laneText(s, p.name, x0, x1);
}));

const confirmSign = { ok: "\u2714", off: "\u2260", unknown: "?", pending: "?" };
faults.forEach((f, i) => {
	const on = finite(f.applied_s), end = finite(f.reverted_s) ? f.reverted_s : on ? hi : f.planned_end_s;
	lane(`${confirmSign[f.confirm] || "?"} ${f.id}`, (s, X) => {
		if (end < view[0] || (on ? f.applied_s : f.planned_start_s) > view[1]) return;
		const x0 = X(on ? f.applied_s : f.planned_start_s), x1 = Math.max(X(end), x0 + 2);
		const r = svg("rect", { x: x0, y: 2, width: x1 - x0, height: 16, rx: 2,
			fill: faultColor(i, on ? .30 : 0), stroke: faultColor(i, .9) });
		if (!on) r.setAttribute("stroke-dasharray", "3 3");
		tip(r, `${f.id}: requested ${f.requested}; achieved ${f.achieved}`);
		s.append(r);
		laneText(s, on ? f.requested : "planned, never applied", x0, x1);
	}, `${f.id}: requested ${f.requested}; achieved ${f.achieved}`);
});

/* Phases and faults have lanes of their own; a triangle is a problem, a diamond anything else. */
const marks = events.filter((e) => finite(e.t_s) && e.t_s >= lo && !["phase", "fault"].includes(e.kind));
if (marks.length)
	lane("events", (s, X) => marks.forEach((e) => {
		if (e.t_s < view[0] || e.t_s > view[1]) return;
		const x = X(e.t_s), problem = e.kind === "problem";
		const m = svg("path", { d: problem ? `M${x - 6} 17L${x} 4L${x + 6} 17Z` :
			`M${x} 5L${x + 5} 10.5L${x} 16L${x - 5} 10.5Z`, fill: css(problem ? "--red" : "--muted"),
			stroke: css("--bg"), class: "tip" });
		tip(m, `${e.t_s.toFixed(2)} s ${e.node ? e.node + ": " : ""}${e.text}`);
		s.append(m);
	}));
stack.lastElementChild.classList.add("last");

/* ---- dygraphs wants rows: one x column, one column per line; null is "no sample", NaN is "broken here" --------- */
function merge(lines) {
	const rows = new Map();
	const put = (x, i, v) => {
		if (!rows.has(x)) rows.set(x, new Array(lines.length).fill(null));
		rows.get(x)[i] = v;
	};
	lines.forEach((l, i) => {
		l.x.forEach((x, k) => put(x, i, l.y[k] === null ? NaN : l.y[k]));
		l.gaps.forEach((g) => put((g.from_s + g.to_s) / 2, i, NaN));
	});
	return [...rows.entries()].sort((a, b) => a[0] - b[0]).map(([x, v]) => [x, ...v]);
}

function underlay(panel) {
	return (ctx, area, g) => {
		const X = (t) => Math.min(Math.max(g.toDomXCoord(t), area.x), area.x + area.w), bottom = area.y + area.h;
		const band = (a, b, fill) => { ctx.fillStyle = fill; ctx.fillRect(X(a), area.y, X(b) - X(a), area.h); };
		const rule = (t, color, dash, width) => {
			if (t < view[0] || t > view[1]) return;
			ctx.strokeStyle = color;
			ctx.lineWidth = width || 1;
			ctx.setLineDash(dash);
			ctx.beginPath();
			ctx.moveTo(Math.round(X(t)) + .5, area.y);
			ctx.lineTo(Math.round(X(t)) + .5, bottom);
			ctx.stroke();
		};
		ctx.save();
		phases.forEach((p, i) => { if (i % 2) band(p.start_s, p.end_s, css("--phase")); });
		faults.forEach((f, i) => {
			if (!finite(f.applied_s)) return;
			const end = finite(f.reverted_s) ? f.reverted_s : hi;
			band(f.applied_s, end, faultColor(i, css("--band")));
			rule(f.applied_s, faultColor(i, .75), []);
			rule(end, faultColor(i, .75), [3, 3]);
		});
		marks.forEach((e) => rule(e.t_s, css(e.kind === "problem" ? "--red" : "--grey"), [1, 3]));
		panel.lines.forEach((l) => l.gaps.forEach((gap) => hatch(ctx, X(gap.from_s), X(gap.to_s), area)));
		if (pinned !== null) rule(pinned, css("--fg"), [5, 3], 1.5);
		limits(ctx, panel, area, g, X);
		ctx.restore();
	};
}

/* A gap is hatched: nobody looked, so nothing may be read out of the blank. */
function hatch(ctx, x0, x1, area) {
	ctx.save();
	ctx.beginPath();
	ctx.rect(x0, area.y, Math.max(2, x1 - x0), area.h);
	ctx.clip();
	ctx.strokeStyle = css("--gap");
	ctx.setLineDash([]);
	ctx.lineWidth = 1;
	for (let x = x0 - area.h; x < x1; x += 6) {
		ctx.beginPath();
		ctx.moveTo(x, area.y + area.h);
		ctx.lineTo(x + area.h, area.y);
		ctx.stroke();
	}
	ctx.restore();
}

function limits(ctx, panel, area, g, X) {
	const labels = [];
	for (const l of panel.limits) {
		const y = g.toDomYCoord(l.value), x0 = X(l.from), x1 = X(l.to);
		if (!(y >= area.y && y <= area.y + area.h) || x1 - x0 < 2) continue;
		ctx.strokeStyle = ctx.fillStyle = css("--red");
		ctx.setLineDash([7, 3]);
		ctx.lineWidth = 1.5;
		ctx.beginPath();
		ctx.moveTo(x0, y);
		ctx.lineTo(x1, y);
		ctx.stroke();
		ctx.font = "11px system-ui, sans-serif";
		const text = `${l.label} limit ${panel.show(l.value)}`, width = ctx.measureText(text).width;
		const taken = (at) => labels.some((o) => Math.abs(o.y - at) < 12 && o.x < x0 + 4 + width && x0 + 4 < o.x + o.width);
		let at = y - area.y < 16 ? y + 12 : y - 4;
		for (let tries = 0; tries < 6 && taken(at); tries++) at += at + 12 < area.y + area.h ? 12 : -12 * (tries + 1);
		labels.push({ x: x0 + 4, y: at, width });
		ctx.fillText(text, x0 + 4, at);
	}
}

function options(panel, last) {
	const format = (v) => panel.show(v);
	const perLine = {};
	panel.lines.forEach((l) => {
		perLine[l.id] = { strokePattern: l.dash || null, strokeWidth: l.width || 1.6, stepPlot: !!l.step };
	});
	return {
		labels: ["t", ...panel.lines.map((l) => l.id)], series: perLine, colors: panel.lines.map((l) => css(l.color)),
		dateWindow: view, stackedGraph: !!panel.stacked, fillAlpha: .55, connectSeparatedPoints: true,
		includeZero: !panel.log, logscale: !!panel.log, labelsDiv: element("div"), legend: "never",
		interactionModel: {}, highlightCircleSize: 0, gridLineColor: css("--grid"), axisLineColor: css("--rule"),
		gridLineWidth: 1, rightGap: 8, underlayCallback: underlay(panel), yRangePad: panel.log ? 2 : 0,
		axes: {
			x: { axisLabelFormatter: (v) => last ? `${Number(v.toFixed(2))} s` : "", drawAxis: true,
				pixelsPerLabel: 70, axisLabelWidth: 60 },
			y: { axisLabelFormatter: format, axisLabelWidth: LABEL_WIDTH, pixelsPerLabel: 28 },
		},
		xAxisHeight: last ? 24 : 5,
	};
}

function valueRange(panel) {
	let top = 0, least = Infinity;
	const inView = (l, k) => l.x[k] >= view[0] && l.x[k] <= view[1] && l.y[k] !== null;
	if (panel.stacked) {
		for (let k = 0; k < list(all.t_s).length; k++)
			top = Math.max(top, panel.lines.reduce((sum, l) => sum + (inView(l, k) ? l.y[k] : 0), 0));
	} else {
		panel.lines.forEach((l) => l.y.forEach((v, k) => {
			if (!inView(l, k)) return;
			top = Math.max(top, v);
			if (v > 0) least = Math.min(least, v);
		}));
		panel.limits.forEach((l) => { if (l.from < view[1] && l.to > view[0]) top = Math.max(top, l.value); });
	}
	if (panel.log && Number.isFinite(least)) return [least * .7, top * 1.6];
	return [0, top > 0 ? top * 1.12 : 1];
}

function legend(panel, key) {
	const head = element("div");
	head.append(element("b", "", panel.title), " ", element("span", "unit", panel.unit));
	const ul = element("ul");
	panel.lines.forEach((l) => {
		const li = element("li"), swatch = element("span", "swatch"), name = element("span", "", l.label);
		l.swatch = swatch;
		l.out = element("span", "v");
		name.title = l.label;
		if (l.dash) swatch.style.borderTopStyle = "dashed";
		li.append(swatch, name, l.out);
		ul.append(li);
	});
	if (!panel.lines.length) ul.append(element("li", "unit", ""));
	key.append(head, ul);
}

panels.forEach((panel, i) => {
	const r = row("");
	/* dygraphs takes equal labels for one column. */
	panel.lines.forEach((l, k) => { l.id = `${k} ${l.label}`; });
	panel.last = i === panels.length - 1;
	legend(panel, r.key);
	const div = element("div", panel.last ? "plot tail" : "plot");
	r.body.append(div);
	if (!panel.lines.length) {
		panel.lines.push({ label: "", id: "0 ", x: [lo, hi], y: [0, 0], color: "--grid", gaps: [], reach: 0 });
		r.key.querySelector("ul").textContent = panel.none;
		panel.lines[0].swatch = element("span");
		panel.lines[0].out = element("span");
	}
	div.style.height = `${Math.max(panel.last ? 134 : 112, r.key.scrollHeight)}px`;
	panel.g = new Dygraph(div, merge(panel.lines), { ...options(panel, panel.last), valueRange: valueRange(panel) });
});

/* ---- one zoom, one crosshair --------------------------------------------------------------------------------- */
const lead = panels[0].g;
const surface = element("div", "surface"), cross = element("div", "cross"), select = element("div", "select");
cross.hidden = select.hidden = true;
stack.append(select, cross, surface);

/* x of the plot area, from the left edge of the stack */
function plotArea() {
	const a = lead.getArea(), left = stack.querySelector(".plot").getBoundingClientRect().left -
		stack.getBoundingClientRect().left;
	return { left: left + a.x, plain: a.x, width: a.w };
}

function layout() {
	const a = plotArea();
	surface.style.left = `${a.left}px`;
	surface.style.width = `${a.width}px`;
	const X = (t) => a.plain + Math.min(Math.max((t - view[0]) / (view[1] - view[0]), 0), 1) * a.width;
	lanes.forEach(({ s, draw }) => { s.textContent = ""; draw(s, X); });
	reset.disabled = view === full;
}

function redraw() {
	panels.forEach((p) => {
		p.lines.forEach((l) => { l.swatch.style.borderColor = css(l.color); });
		p.g.updateOptions({ ...options(p, p.last), valueRange: valueRange(p) });
	});
	layout();
	idle();
}

function zoom(a, b) {
	const width = Math.max(b - a, .05);
	a = Math.max(full[0], a);
	b = Math.min(full[1], a + width);
	view = a <= full[0] && b >= full[1] ? full : [a, b];
	redraw();
}

function peak(l) {
	let best = null;
	l.y.forEach((v, k) => { if (v !== null && l.x[k] >= view[0] && l.x[k] <= view[1]) best = Math.max(best ?? v, v); });
	return best;
}

function idle() {
	stack.classList.add("idle");
	cross.hidden = true;
	now.textContent = "Values: highest in view. Move over the charts for an instant, drag to zoom, double-click for the whole run.";
	panels.forEach((p) => p.lines.forEach((l) => {
		const v = peak(l);
		l.out.textContent = v === null ? "\u2013" : p.show(v);
	}));
}

function nearest(l, t) {
	let a = 0, b = l.x.length - 1;
	if (b < 0 || l.gaps.some((g) => t > g.from_s && t < g.to_s)) return null;
	while (b - a > 1) {
		const m = (a + b) >> 1;
		if (l.x[m] <= t) a = m; else b = m;
	}
	const k = Math.abs(l.x[a] - t) <= Math.abs(l.x[b] - t) ? a : b;
	return Math.abs(l.x[k] - t) <= l.reach ? l.y[k] : null;
}

function at(t) {
	const a = plotArea(), phase = phases.find((p) => t >= p.start_s && t < p.end_s);
	const active = faults.filter((f) => finite(f.applied_s) && t >= f.applied_s &&
		t < (finite(f.reverted_s) ? f.reverted_s : hi));
	stack.classList.remove("idle");
	cross.hidden = false;
	cross.style.left = `${a.left + (t - view[0]) / (view[1] - view[0]) * a.width}px`;
	now.textContent = `${t.toFixed(2)} s \u00b7 ${phase ? phase.name : "\u2013"}` +
		(active.length ? ` \u00b7 ${active.map((f) => f.id).join(", ")}` : "");
	panels.forEach((p) => p.lines.forEach((l) => {
		const v = nearest(l, t);
		l.out.textContent = v === null ? "\u2013" : p.show(v);
	}));
}

const timeAt = (event) => {
	const a = plotArea(), x = event.clientX - stack.getBoundingClientRect().left - a.left;
	return view[0] + Math.min(Math.max(x / a.width, 0), 1) * (view[1] - view[0]);
};
let from = null;
surface.addEventListener("pointerdown", (e) => { from = timeAt(e); surface.setPointerCapture(e.pointerId); });
surface.addEventListener("pointermove", (e) => {
	const t = timeAt(e), a = plotArea(), px = (v) => a.left + (v - view[0]) / (view[1] - view[0]) * a.width;
	at(t);
	select.hidden = from === null;
	if (from === null) return;
	select.style.left = `${px(Math.min(from, t))}px`;
	select.style.width = `${px(Math.max(from, t)) - px(Math.min(from, t))}px`;
});
const release = (e) => {
	const t = timeAt(e), start = from;
	from = null;
	select.hidden = true;
	/* A click is not a zoom: ask for more than 6 pixels. */
	if (start !== null && e.type === "pointerup" &&
	    Math.abs(t - start) / (view[1] - view[0]) * plotArea().width > 6)
		zoom(Math.min(t, start), Math.max(t, start));
};
surface.addEventListener("pointerup", release);
surface.addEventListener("pointercancel", release);
surface.addEventListener("pointerleave", () => { if (from === null) idle(); });
const whole = () => { view = full; pinned = null; redraw(); };
surface.addEventListener("dblclick", whole);
reset.addEventListener("click", whole);
document.addEventListener("keydown", (e) => { if (e.key === "Escape") whole(); });

logButton.addEventListener("click", () => {
	panels.forEach((p) => { if (p.canLog) p.log = !p.log; });
	logButton.setAttribute("aria-pressed", String(!!panels[0].log));
	redraw();
});

/* "at 7.25s" in the tables: show that instant with some time around it, and leave a mark. */
document.addEventListener("click", (e) => {
	const link = e.target.closest("a[data-t]");
	if (!link) return;
	const t = Number(link.dataset.t), around = Math.max((full[1] - full[0]) / 8, 1);
	pinned = t;
	zoom(t - around, t + around);
	at(Math.min(Math.max(t, view[0]), view[1]));
});

let timer = 0;
window.addEventListener("resize", () => {
	cancelAnimationFrame(timer);
	timer = requestAnimationFrame(() => { panels.forEach((p) => p.g.resize()); layout(); });
});
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
/* Paper is white: print with the light colours, whatever the screen shows. */
window.addEventListener("beforeprint", () => {
	document.documentElement.dataset.theme = "light";
	panels.forEach((p) => p.g.resize());
	redraw();
});
window.addEventListener("afterprint", () => {
	delete document.documentElement.dataset.theme;
	panels.forEach((p) => p.g.resize());
	redraw();
});
redraw();
})();
