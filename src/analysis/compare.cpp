// SPDX-License-Identifier: Apache-2.0
#include "analysis/compare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "analysis/clip.hpp"
#include "analysis/trial.hpp"
#include "core/try.hpp"
#include "engine/engine.hpp"
#include "flow/flow.hpp"
#include "flow/option_table.hpp"

namespace faceflow::internal::analysis {
namespace {

using faces_by_sequence = std::map<std::uint64_t, frame_faces>;

struct ablation {
    std::string_view name;
    bool tuning_options::*enabled;
};
constexpr std::array ablations{ablation{"cache", &tuning_options::cache}, ablation{"batch", &tuning_options::batch},
                               ablation{"pinned", &tuning_options::pinned},
                               ablation{"graphs", &tuning_options::graphs}};

result<options> with_ablation(options o, const std::string& name) {
    for (const ablation& a : ablations) {
        if (a.name != name) continue;
        o.tuning.*a.enabled = false;
        return o;
    }
    return fail(errc::invalid_argument,
                fmt::format("unknown ablation '{}'; choose one of: cache, batch, pinned, graphs", name));
}

// A row to measure.
struct planned_row {
    options chosen;
    std::string ablation = "none";
};

result<std::vector<planned_row>> plan_rows(const compare_request& request) {
    std::vector<planned_row> rows;
    for (const std::string& wanted : request.flows) {
        FACEFLOW_ASSIGN(const auto kind, flow::value_of<&options::flow>(wanted));
        options o = request.chosen;
        o.flow = kind;
        // As the analysed system does; and all flows then transfer the same for every frame.
        if (o.detect_every == 0) o.detect = detect_mode::always;
        rows.push_back({o, "none"});
        for (const std::string& name : request.ablate) {
            FACEFLOW_ASSIGN(auto less, with_ablation(o, name));
            rows.push_back({std::move(less), name});
        }
    }
    if (rows.empty()) return fail(errc::invalid_argument, "no flow was given to compare");
    return rows;
}

// Chooses for `auto` a device to which frames are transferred.
result<std::string> device_for(const options& o) {
    if (o.device != "auto") return o.device;
    FACEFLOW_ASSIGN(const auto best, runtime_context::open(o));
    const device& d = *best->devices.front();
    return std::string(name(d.shares_host_memory() ? device_kind::emulated : d.kind()));
}

class comparer {
public:
    comparer(const compare_request& request, const std::atomic<bool>& stop,
             const std::function<void(const compare_progress&)>& on_progress)
        : request_(request),
          stop_(stop),
          on_progress_(on_progress) {}

    result<comparison> run() {
        FACEFLOW_ASSIGN(auto planned, plan_rows(request_));
        FACEFLOW_ASSIGN(const auto device, device_for(request_.chosen));
        if (device != request_.chosen.device) done_.notes.push_back("device auto: " + device);

        FACEFLOW_ASSIGN(auto frames, decode({request_.input, request_.limit, request_.start_seconds, max_decoded_bytes},
                                            stop_, [&](std::uint64_t n) { show("decoding", n, request_.limit); }));
        if (frames.frames_per_second > 0) done_.frames_per_second = frames.frames_per_second;
        done_.notes.insert(done_.notes.end(), frames.notes.begin(), frames.notes.end());

        const image* first = frames.frames.empty() ? nullptr : &frames.frames.front().picture;
        for (planned_row& p : planned) {
            p.chosen.device = device;
            if (first != nullptr) choose_detection(p.chosen, {{{first->upright_width(), first->upright_height()}}});
            FACEFLOW_TRY(measure(p, frames.frames));
        }
        judge_all();
        note_agreement();
        return std::move(done_);
    }

private:
    void show(const std::string& what, std::uint64_t done, std::uint64_t total) const {
        if (on_progress_) on_progress_({what, done, total});
    }

    result<void> measure(const planned_row& p, const std::vector<host_frame>& frames) {
        compare_row row;
        row.flow = p.chosen.flow;
        row.device = p.chosen.device;
        row.ablation = p.ablation;
        const std::string label = label_of(row);
        const trial t{p.chosen, frames, stop_};
        FACEFLOW_ASSIGN(auto flood,
                        t.all_at_once([&](std::uint64_t n) { show(label + ", all at once", n, frames.size()); }, row));
        FACEFLOW_ASSIGN(auto latencies,
                        t.one_by_one([&](std::uint64_t n, std::uint64_t of) { show(label + ", one by one", n, of); },
                                     flood.failed));
        row.latency_ms = percentiles_of(std::move(latencies));
        for (const auto& [reason, n] : flood.failed) {
            row.failed += n;
            done_.notes.push_back(fmt::format("{}: {} frames gave no result: {}", label, n, reason));
        }

        if (flood.checked) {
            checked_by_ = flood.checked->by;
            for (const auto& difference : flood.checked->differences())
                done_.notes.push_back(fmt::format("{}: {}", label, difference));
        }
        faces_.push_back(std::move(flood.faces));
        done_.rows.push_back(std::move(row));
        return {};
    }

    void note_agreement() {
        const bool all = std::all_of(done_.rows.begin(), done_.rows.end(),
                                     [](const compare_row& r) { return r.ledger_agrees.value_or(false); });
        if (all)
            done_.notes.push_back(fmt::format("the ledger agrees with what {} counted, in every row", checked_by_));
        if (request_.chosen.verify_ledger && checked_by_.empty())
            done_.notes.emplace_back("--verify-ledger: on the CPU nothing crosses, so there is nothing to verify");
    }

    void judge_all() {
        const auto as_they_come = std::find_if(done_.rows.begin(), done_.rows.end(),
                                               [](const compare_row& r) { return !flow::converts_pixels(r.flow); });
        const auto reference = as_they_come == done_.rows.end() ? 0 : as_they_come - done_.rows.begin();
        for (std::size_t i = 0; i < done_.rows.size(); ++i)
            judge(done_.rows[i], faces_[i], faces_[static_cast<std::size_t>(reference)]);
        done_.rows[static_cast<std::size_t>(reference)].reference = true;
    }

    static void judge(compare_row& row, const faces_by_sequence& faces, const faces_by_sequence& reference) {
        difference all{faces.size() == reference.size(), faces.size() == reference.size() ? 0 : infinity, 0, 0};
        for (const auto& [sequence, mine] : faces) {
            const auto at = reference.find(sequence);
            const difference d =
                at == reference.end() ? difference{false, infinity, 0, 0} : difference_between(at->second, mine);
            all = {all.equal && d.equal, std::max(all.largest_px, d.largest_px), all.faces + d.faces,
                   all.close + d.close};
        }
        row.largest_difference_px = all.largest_px;
        row.faces_close = all.faces > 0 ? static_cast<double>(all.close) / static_cast<double>(all.faces) : 1;
        row.faces_equal = all.equal || within_tolerance(row, all);
    }

    static bool within_tolerance(const compare_row& row, const difference& all) {
        if (row.largest_difference_px == infinity) return false;
        if (flow::converts_pixels(row.flow)) return enough_are_close(all);
        if (row.device.starts_with(name(device_kind::cuda))) return row.largest_difference_px <= gpu_tolerance_px;
        return row.ablation == "batch" && row.largest_difference_px <= unbatched_tolerance_px;
    }

    const compare_request& request_;
    const std::atomic<bool>& stop_;
    const std::function<void(const compare_progress&)>& on_progress_;
    std::vector<faces_by_sequence> faces_;  // of each row
    std::string checked_by_;
    comparison done_;
};

}  // namespace

result<comparison> compare(const compare_request& request, const std::atomic<bool>& stop,
                           const std::function<void(const compare_progress&)>& on_progress) {
    return comparer(request, stop, on_progress).run();
}

}  // namespace faceflow::internal::analysis
