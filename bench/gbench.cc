#include "bench/gbench.h"

#include <benchmark/benchmark.h>

#include "core/error.h"

namespace
{

class Counter : public benchmark::BenchmarkReporter
{
  public:
    bool ReportContext(const Context &) override { return true; }
    void ReportRuns(const std::vector<Run> &runs) override
    {
        for (const Run &r : runs) {
            if (r.run_type != Run::RT_Iteration) continue;
            if (r.error_occurred)
                failed_++;
            else
                ran_++;
        }
    }
    int64_t ran() const { return ran_; }
    int64_t failed() const { return failed_; }

  private:
    int64_t ran_ = 0, failed_ = 0;
};

void measure(benchmark::State &state, const bench_case *c)
{
    for (auto _ : state) {
        double seconds = 0;
        if (c->run(c->ctx, &seconds)) {
            state.SkipWithError(error_text());
            break;
        }
        state.SetIterationTime(seconds);
    }
}

} // namespace

int bench_run(const bench_case *cases, int64_t count)
{
    static bool ready = false;
    if (!ready) {
        char name[] = "tiebreak", *argv[] = { name, nullptr };
        int  argc = 1;
        benchmark::Initialize(&argc, argv);
        ready = true;
    }
    benchmark::ClearRegisteredBenchmarks();
    for (int64_t i = 0; i < count; i++)
        benchmark::RegisterBenchmark(cases[i].name, measure, &cases[i])
            ->UseManualTime()
            ->Iterations(cases[i].iterations);
    Counter reporter;
    benchmark::RunSpecifiedBenchmarks(&reporter);
    benchmark::ClearRegisteredBenchmarks();
    if (reporter.failed())
        return run_error("bench: %lld of %lld cases failed", static_cast<long long>(reporter.failed()),
                         static_cast<long long>(count));
    if (!reporter.ran()) return run_error("bench: no case ran");
    return OK;
}
