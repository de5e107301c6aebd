#include "bench/gbench.h"

#include <benchmark/benchmark.h>

#include <memory>
#include <sstream>

#include "core/error.h"

namespace
{

/* Prints nothing. Joins what the library reports call by call into one JSON text. */
class Report : public benchmark::BenchmarkReporter
{
  public:
    std::ostringstream                       text;
    std::unique_ptr<benchmark::JSONReporter> json;

    bool ReportContext(const Context &context) override
    {
        return begun_ || !json || (begun_ = json->ReportContext(context));
    }
    /* Leaves the numbers of iterations and repetitions and the kind of time out of the name, so
     * that the same case of two files has the same name. */
    void ReportRuns(const std::vector<Run> &runs) override
    {
        std::vector<Run> named = runs;
        for (Run &r : named) r.run_name.iterations = r.run_name.repetitions = r.run_name.time_type = "";
        if (json) json->ReportRuns(named);
    }
    void begin()
    {
        text.str("");
        json = std::make_unique<benchmark::JSONReporter>();
        json->SetOutputStream(&text);
        json->SetErrorStream(&text);
        begun_ = false;
    }
    void end()
    {
        if (begun_) json->Finalize();
        json.reset();
    }

  private:
    bool begun_ = false;
};

Report report;

void measure(benchmark::State &state, const bench_case *c, int *rc)
{
    for (auto _ : state) {
        double seconds = 0;
        if (!*rc) *rc = c->run(c->ctx, &seconds);
        if (*rc) {
            state.SkipWithError(error_text());
            return;
        }
        state.SetIterationTime(seconds);
    }
    bench_counter counter[BENCH_COUNTERS];
    c->count(c->ctx, counter);
    for (const bench_counter &k : counter) state.counters[k.name] = k.value;
}

} // namespace

int bench_run(const bench_case *c)
{
    int rc = OK;
    benchmark::ClearRegisteredBenchmarks();
    benchmark::RegisterBenchmark(c->name, measure, c, &rc)
        ->UseManualTime()
        ->Iterations(c->iterations)
        ->Repetitions(BENCH_REPETITIONS);
    size_t ran = benchmark::RunSpecifiedBenchmarks(&report);
    benchmark::ClearRegisteredBenchmarks();
    return ran == 1 ? rc : run_error("bench: %s: Google Benchmark did not run it", c->name);
}

void bench_report_begin(void) { report.begin(); }

void bench_report_end(str *json)
{
    report.end();
    const std::string text = report.text.str();
    str_add(json, text.data(), text.size());
}
