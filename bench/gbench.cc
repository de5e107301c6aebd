#include "bench/gbench.h"

#include <benchmark/benchmark.h>

#include "core/error.h"

namespace {

class Callback : public benchmark::BenchmarkReporter {
  public:
    Callback(bench_result_fn fn, void *user) : fn_(fn), user_(user) {}
    bool ReportContext(const Context &) override { return true; }
    void ReportRuns(const std::vector<Run> &runs) override
    {
        for (const Run &r : runs) {
            if (r.run_type != Run::RT_Iteration) continue;
            if (r.error_occurred)
                failed_++;
            else
                ran_++;
            if (fn_)
                fn_(user_, r.run_name.function_name.c_str(), r.iterations ? r.real_accumulated_time / static_cast<double>(r.iterations) : 0, r.iterations,
                    r.error_occurred ? r.error_message.c_str() : nullptr);
        }
    }
    int64_t ran() const { return ran_; }
    int64_t failed() const { return failed_; }

  private:
    bench_result_fn fn_;
    void           *user_;
    int64_t         ran_ = 0, failed_ = 0;
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

int bench_run(const bench_case *cases, int64_t count, bench_result_fn on_result, void *user)
{
    static bool ready = false;
    if (!ready) {
        char  name[] = "tiebreak", *argv[] = { name, nullptr };
        int   argc   = 1;
        benchmark::Initialize(&argc, argv);
        ready = true;
    }
    benchmark::ClearRegisteredBenchmarks();
    for (int64_t i = 0; i < count; i++)
        benchmark::RegisterBenchmark(cases[i].name, measure, &cases[i])->UseManualTime()->Iterations(cases[i].iterations);
    Callback reporter(on_result, user);
    benchmark::RunSpecifiedBenchmarks(&reporter);
    benchmark::ClearRegisteredBenchmarks();
    if (reporter.failed()) return run_error("bench: %lld of %lld cases failed", static_cast<long long>(reporter.failed()), static_cast<long long>(count));
    if (!reporter.ran()) return run_error("bench: no case ran");
    return OK;
}
