// SPDX-License-Identifier: Apache-2.0
#include "media/pacer.hpp"

#include "media/io_guard.hpp"
#include "media/source.hpp"

namespace faceflow::internal::media {

namespace {

constexpr std::int64_t longest_wait_ns = 10'000'000'000;

class realtime_source final : public source {
public:
    realtime_source(std::unique_ptr<source> recorded, std::stop_token stop)
        : recorded_(std::move(recorded)),
          info_(recorded_->info()),
          guard_(std::move(stop)) {
        info_.live = true;
    }

    const source_info& info() const noexcept override { return info_; }
    std::map<std::string, std::uint64_t> survived() const override { return recorded_->survived(); }
    void interrupt() noexcept override {
        guard_.interrupt();
        recorded_->interrupt();
    }

    result<std::optional<read_frame>> next() override {
        auto read = recorded_->next();
        if (!read || !*read) return read;
        host_frame& frame = (*read)->frame;
        if (!pace_) pace_.emplace(pacer::clock::now());
        const auto due = pace_->due(frame.pts_ns);
        const auto wait = std::chrono::ceil<std::chrono::milliseconds>(due - pacer::clock::now());
        if (wait.count() > 0 && !guard_.sleep(wait))
            return fail(errc::interrupted, "stopped while reading " + info_.input);
        frame.captured = pacer::clock::now();
        return read;
    }

private:
    std::unique_ptr<source> recorded_;
    source_info info_;
    io_guard guard_;
    std::optional<pacer> pace_;
};

}  // namespace

pacer::clock::time_point pacer::due(std::int64_t pts_ns) noexcept {
    if (last_ns_) {
        const std::int64_t step = pts_ns - *last_ns_;
        if (step <= longest_wait_ns) last_step_ns_ = step;
        run_ += std::chrono::nanoseconds(last_step_ns_);
    }
    last_ns_ = pts_ns;
    return started_ + run_;
}

std::unique_ptr<source> make_realtime(std::unique_ptr<source> recorded, std::stop_token stop) {
    return std::make_unique<realtime_source>(std::move(recorded), std::move(stop));
}

}  // namespace faceflow::internal::media
