// SPDX-License-Identifier: Apache-2.0

// Zoo is a Go process with goroutines in every state that the census must tell apart.  It is driven over stdin and answers
// on stdout, so that nothing but what was asked for runs in it:
//
//	count          runtime.NumGoroutine()
//	stacks         pprof's goroutine?debug=2, then a line "."
//	tick           give each worker of the pool one job and wait until all are done
//	mem            runtime.MemStats: NumGC NumForcedGC PauseTotalNs
//	gc             runtime.GC()
//	procs N        runtime.GOMAXPROCS(N)
//	end            one goroutine ends on each P
//	spawn N        N more goroutines that wait for ever
//	exec           become sleep(1)
//	again          become the zoo beside it that is called -pie-stripped, with 300 of -bulk
//	quit
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

//go:noinline
func sendForever(ch chan int) { ch <- 1 }

//go:noinline
func receiveForever(ch chan int) { <-ch }

//go:noinline
func nothing() { select {} }

//go:noinline
func selectForever(a, b chan int) {
	select {
	case <-a:
	case b <- 1:
	}
}

// Small enough to be inlined into its caller, so that the go statement's line is in an inline tree.
func spawnInlined(ch chan int) { go receiveForever(ch) }

func eachKind(n int) {
	a, b := make(chan int), make(chan int)
	var null chan int
	var mutex sync.Mutex
	var rw sync.RWMutex
	var group sync.WaitGroup
	mutex.Lock()
	rw.Lock()
	group.Add(1)
	cond := sync.NewCond(&sync.Mutex{})
	for i := 0; i < n; i++ {
		go sendForever(a)
	}
	for i := 0; i < n; i++ {
		go receiveForever(b)
	}
	for i := 0; i < n; i++ {
		spawnInlined(b)
	}
	for i := 0; i < n; i++ {
		go nothing()
	}
	for i := 0; i < n; i++ {
		go selectForever(b, a)
	}
	for i := 0; i < n; i++ {
		go func() { <-null }()
	}
	for i := 0; i < n; i++ {
		go func() { mutex.Lock() }()
	}
	for i := 0; i < n; i++ {
		go func() { rw.RLock() }()
	}
	for i := 0; i < n; i++ {
		go func() { group.Wait() }()
	}
	for i := 0; i < n; i++ {
		go func() { cond.L.Lock(); cond.Wait() }()
	}
	for i := 0; i < n; i++ {
		go func() { time.Sleep(24 * time.Hour) }()
	}
	ctx, cancel := context.WithCancel(context.Background())
	_ = cancel
	for i := 0; i < n; i++ {
		go pprof.Do(ctx, pprof.Labels("route", "/leak", "q", "a\"b"), func(c context.Context) { <-c.Done() })
	}
}

// Held, or a collection would close them, and the reads at their other ends would end.
var accepted []net.Conn

func netReads(n int) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted = append(accepted, c)
		}
	}()
	for i := 0; i < n; i++ {
		c, err := net.Dial("tcp", l.Addr().String())
		check(err)
		go func() { var b [1]byte; c.Read(b[:]) }()
	}
}

func rawSyscalls(n int) {
	for i := 0; i < n; i++ {
		var p [2]int
		check(syscall.Pipe(p[:]))
		go func() { var b [1]byte; syscall.Read(p[0], b[:]) }()
	}
}

// Workers of a pool and leaked goroutines from the same line, in the same function, waiting at the same line for the same
// reason: only that the ones run now and then tells them apart.
type pool struct {
	jobs, done []chan int
}

//go:noinline
func worker(jobs, done chan int) {
	for range jobs {
		done <- 1
	}
}

func newPool(live, leaked int) *pool {
	p := &pool{}
	for i := 0; i < live+leaked; i++ {
		jobs, done := make(chan int), make(chan int)
		if i < live {
			p.jobs, p.done = append(p.jobs, jobs), append(p.done, done)
		}
		go worker(jobs, done)
	}
	return p
}

func (p *pool) tick() {
	for i := range p.jobs {
		p.jobs[i] <- 1
		<-p.done[i]
	}
}

//go:noinline
func deep(ch chan int, depth int) int {
	if depth == 0 {
		return <-ch
	}
	return deep(ch, depth-1) + 1
}

var bulkGate = make(chan int)

func bulk(n, depth int) {
	for i := 0; i < n; i++ {
		go deep(bulkGate, depth)
	}
}

func churn(n int) {
	for i := 0; i < n; i++ {
		go func() {
			for {
				d := make(chan int)
				for k := 0; k < 50; k++ {
					go func() { d <- 1 }()
				}
				for k := 0; k < 50; k++ {
					<-d
				}
			}
		}()
	}
}

// Goroutines that have ended, so that the runtime has free g structures on its lists.
func endSome(n int) {
	var group sync.WaitGroup
	before := runtime.NumGoroutine()
	gate := make(chan int)
	for i := 0; i < n; i++ {
		group.Add(1)
		go func() { <-gate; group.Done() }()
	}
	close(gate)
	group.Wait()
	settle(before)
}

// A goroutine that has done its work is not gone yet.
func settle(n int) {
	for runtime.NumGoroutine() > n {
		runtime.Gosched()
	}
}

// Goroutines that all run at the same time, each on a P of its own, and then end there.
func endEverywhere() {
	var group sync.WaitGroup
	var running int32
	before := runtime.NumGoroutine()
	n := runtime.GOMAXPROCS(0)
	for i := 0; i < n; i++ {
		group.Add(1)
		go func() {
			atomic.AddInt32(&running, 1)
			for atomic.LoadInt32(&running) < int32(n) {
			}
			group.Done()
		}()
	}
	group.Wait()
	settle(before)
}

// The latest wake-up: how long the service was kept from running.  A thread of its own naps in the kernel and then needs a P to
// go on, so it feels a stopped world as well as a lack of CPU, and takes next to none itself.
var late int64

func watchWakeups() {
	const nap = 200 * time.Microsecond
	length := syscall.NsecToTimespec(int64(nap))
	runtime.LockOSThread()
	last := time.Now()
	for {
		syscall.Nanosleep(&length, nil)
		now := time.Now()
		if d := int64(now.Sub(last) - nap); d > atomic.LoadInt64(&late) {
			atomic.StoreInt64(&late, d)
		}
		last = now
	}
}

var wedgeSink uint64

// With asynchronous preemption off this loop never ends its turn, so that a garbage collection waits for ever.
func wedgeLoop() {
	for {
		wedgeSink++
	}
}

// A finalizer that hangs, and with it the goroutine of the runtime that runs all of them.
func hangFinalizer() {
	entered := make(chan int)
	p := new([64]byte)
	runtime.SetFinalizer(p, func(*[64]byte) {
		close(entered)
		nothing()
	})
	p = nil
	runtime.GC()
	<-entered
}

func serve(addr string) string {
	l, err := net.Listen("tcp", addr)
	check(err)
	http.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "hello") })
	http.HandleFunc("/late", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, atomic.SwapInt64(&late, 0)) })
	go http.Serve(l, nil)
	return l.Addr().String()
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func obey(p *pool) {
	in := bufio.NewScanner(os.Stdin)
	out := bufio.NewWriter(os.Stdout)
	for in.Scan() {
		var verb string
		var n int
		fmt.Sscan(in.Text(), &verb, &n)
		switch verb {
		case "count":
			fmt.Fprintln(out, runtime.NumGoroutine())
		case "stacks":
			pprof.Lookup("goroutine").WriteTo(out, 2)
			fmt.Fprintln(out, ".")
		case "tick":
			p.tick()
			fmt.Fprintln(out, "ok")
		case "mem":
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			fmt.Fprintln(out, m.NumGC, m.NumForcedGC, m.PauseTotalNs, m.NextGC)
		case "gc":
			runtime.GC()
			fmt.Fprintln(out, "ok")
		case "gogc":
			debug.SetGCPercent(n)
			fmt.Fprintln(out, "ok")
		case "procs":
			runtime.GOMAXPROCS(n)
			fmt.Fprintln(out, "ok")
		case "end":
			endEverywhere()
			fmt.Fprintln(out, "ok")
		case "spawn":
			for i := 0; i < n; i++ {
				go nothing()
			}
			fmt.Fprintln(out, "ok")
		case "exec":
			check(syscall.Exec("/bin/sleep", []string{"sleep", "1000"}, nil))
		case "again":
			check(syscall.Exec(os.Args[0]+"-pie-stripped", []string{os.Args[0], "-bulk", "300"}, os.Environ()))
		case "quit":
			return
		default:
			fmt.Fprintln(out, "what?")
		}
		out.Flush()
	}
}

// A program of its own that does nothing but run the zoo, again whenever it ends.
func superviseItself() {
	var args []string
	for _, a := range os.Args[1:] {
		if a != "-supervise" {
			args = append(args, a)
		}
	}
	runtime.LockOSThread() // the parent-death signal is that of the thread
	syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0)
	for {
		c := exec.Command(os.Args[0], args...)
		c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
		c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		time.Sleep(200 * time.Millisecond) // so that who started first can be told by the clock tick
		c.Run()
	}
}

func main() {
	kinds := flag.Int("kinds", 0, "goroutines of each kind")
	sockets := flag.Int("net", 0, "blocked network reads")
	pipes := flag.Int("pipes", 0, "blocked system calls")
	live := flag.Int("pool", 0, "workers of the pool")
	leaked := flag.Int("leaked", 0, "leaked goroutines that look like workers of the pool")
	ticks := flag.Duration("tick", 0, "one job for each worker so often, and stay when the commands end")
	many := flag.Int("bulk", 0, "goroutines that wait for ever")
	depth := flag.Int("depth", 4, "calls on the stack of each of -bulk")
	churners := flag.Int("churn", 0, "goroutines that keep making short-lived ones")
	ended := flag.Int("ended", 0, "goroutines that have ended before the others start")
	addr := flag.String("http", "", "serve /hello, /late and /debug/pprof here")
	wedge := flag.Bool("wedge", false, "make stopping the world impossible")
	undumpable := flag.Bool("undumpable", false, "prctl(PR_SET_DUMPABLE, 0)")
	locked := flag.Bool("locked", false, "one goroutine tied to its thread")
	supervise := flag.Bool("supervise", false, "run the rest of the arguments in a child, again whenever it ends")
	finalizer := flag.Bool("finalizer", false, "a finalizer that hangs")
	quiet := flag.Bool("quiet", true, "no garbage collection but by command")
	flag.Parse()
	if *supervise {
		superviseItself()
	}
	if *undumpable {
		_, _, e := syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_DUMPABLE, 0, 0)
		if e != 0 {
			check(e)
		}
	}
	if *quiet {
		debug.SetGCPercent(-1)
	}
	useC()
	endSome(*ended)
	eachKind(*kinds)
	if *sockets > 0 {
		netReads(*sockets)
	}
	rawSyscalls(*pipes)
	p := newPool(*live, *leaked)
	if *ticks > 0 {
		go func() {
			for {
				p.tick()
				time.Sleep(*ticks)
			}
		}()
	}
	bulk(*many, *depth)
	churn(*churners)
	if *finalizer {
		hangFinalizer()
	}
	if *locked {
		go func() { runtime.LockOSThread(); nothing() }()
	}
	at := "-"
	if *addr != "" {
		at = serve(*addr)
		go watchWakeups()
	}
	fmt.Println("ready", runtime.Version(), at)
	if *wedge {
		// Only now: from here on this goroutine, too, may stop at any moment.
		go wedgeLoop()
		time.Sleep(10 * time.Millisecond)
		go runtime.GC()
	}
	obey(p)
	if *ticks > 0 {
		select {}
	}
}
