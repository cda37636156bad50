// How the operator's page looks: honey on paper by day, honey on ink by night.

export const STYLE = `
:root{--paper:#fbf9f4;--card:#fff;--ink:#211d14;--quiet:#756d5c;--line:#e8e1d1;--honey:#e09a00;--soft:#fdf0cf;--good:#2f8f4e;--warn:#c77700;--bad:#c43d2f;--shadow:0 1px 2px rgb(60 45 10/.06),0 4px 14px rgb(60 45 10/.05)}
@media (prefers-color-scheme:dark){:root{--paper:#14120d;--card:#1d1a13;--ink:#efe9da;--quiet:#a0967f;--line:#332e22;--honey:#f4b32c;--soft:#3a2d0c;--good:#5cc27c;--warn:#eca53f;--bad:#ee7365;--shadow:none}}
*{box-sizing:border-box}
[hidden]{display:none!important}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif;-webkit-font-smoothing:antialiased}
header,main,form{max-width:1180px;margin:0 auto;padding:0 24px}
header{display:flex;align-items:center;gap:16px;padding-top:22px;padding-bottom:18px}
h1{display:flex;align-items:center;gap:10px;margin:0;font-size:21px;font-weight:650;letter-spacing:-.01em}
h1 svg{width:24px;height:27px;fill:var(--honey)}
h1 svg path+path{fill:var(--paper)}
h2{margin:0 0 12px;font-size:14px;font-weight:620;letter-spacing:.01em}
#state{margin:0 0 0 auto;color:var(--quiet);font-size:13px;font-variant-numeric:tabular-nums}
#state.bad{color:var(--bad)}
button{font:inherit;font-size:13px;color:var(--ink);background:var(--card);border:1px solid var(--line);border-radius:8px;padding:6px 12px;cursor:pointer}
button:hover{border-color:var(--honey)}
:focus-visible{outline:2px solid var(--honey);outline-offset:2px}
form{max-width:460px;margin-top:12vh}
form h2{font-size:24px;font-weight:650;letter-spacing:-.015em;margin-bottom:20px}
form label{display:block;font-size:13px;color:var(--quiet);margin-bottom:6px}
form input{width:100%;font:inherit;padding:11px 13px;color:inherit;background:var(--card);border:1px solid var(--line);border-radius:10px;margin-bottom:12px}
form button{background:var(--honey);border-color:var(--honey);color:#211d14;font-size:15px;font-weight:600;padding:9px 20px}
form p{color:var(--quiet);font-size:13px;margin-top:22px}
code{font:12px/1.5 ui-monospace,SFMono-Regular,Menlo,monospace;background:var(--soft);padding:2px 6px;border-radius:5px}
main{padding-bottom:60px}
#totals{display:grid;grid-template-columns:repeat(auto-fit,minmax(118px,1fr));gap:12px;margin-bottom:30px}
.total{background:var(--card);border:1px solid var(--line);border-radius:14px;padding:14px 18px;box-shadow:var(--shadow)}
.total b{display:block;font-size:28px;line-height:1.2;font-weight:640;letter-spacing:-.02em;font-variant-numeric:tabular-nums}
.total small{color:var(--quiet);font-size:13px;font-weight:400}
.total b small{font-size:17px;letter-spacing:0}
.cell{margin-bottom:28px}
.cell h2{display:flex;gap:10px;align-items:baseline}
.cell h2 span{font-weight:400;color:var(--quiet);font-size:13px}
.hosts{display:grid;grid-template-columns:repeat(auto-fill,minmax(270px,1fr));gap:12px}
.host{background:var(--card);border:1px solid var(--line);border-radius:14px;padding:14px 16px;box-shadow:var(--shadow);min-width:0}
.host.dead,.host.unheard{opacity:.62}
.host h3{display:flex;align-items:center;gap:8px;margin:0;font-size:15px;font-weight:620}
.host h3 span{margin-left:auto;font-size:12px;font-weight:400;color:var(--quiet)}
.dot{width:9px;height:9px;border-radius:50%;background:var(--quiet);flex:none}
.alive .dot{background:var(--good)}
.suspect .dot{background:var(--warn)}
.dead .dot{background:var(--bad)}
.slots{display:flex;flex-wrap:wrap;gap:3px;margin:11px 0 10px}
.slots i{width:13px;height:15px;background:var(--line);clip-path:polygon(50% 0,100% 25%,100% 75%,50% 100%,0 75%,0 25%)}
.slots i.used{background:var(--honey)}
.slots em{font-style:normal;font-size:12px;color:var(--quiet);margin-left:auto;font-variant-numeric:tabular-nums}
.chips{display:flex;flex-wrap:wrap;gap:5px;min-height:23px}
.chips span{font-size:12px;background:var(--soft);border-radius:6px;padding:2px 8px;max-width:100%;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.chips span.none{background:none;color:var(--quiet);padding-left:0}
.columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(340px,1fr));gap:28px;margin-bottom:28px}
main>section>h2,.columns h2{padding-top:4px}
table{width:100%;border-collapse:collapse;font-size:13.5px;font-variant-numeric:tabular-nums}
th{text-align:left;font-weight:400;color:var(--quiet);font-size:12px;padding:0 12px 6px 0;border-bottom:1px solid var(--line)}
td{padding:8px 12px 8px 0;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
.number{text-align:right}
td.empty{color:var(--quiet);border:0}
td.bad{color:var(--bad)}
@media (prefers-reduced-motion:no-preference){.slots i,.dot{transition:background .4s}}
`;
