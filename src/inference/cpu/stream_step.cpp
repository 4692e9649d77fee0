// SPDX-License-Identifier: Apache-2.0
// Steps that stream rows to one another.
#include <algorithm>
#include <utility>

#include "inference/cpu/step.hpp"

namespace faceflow::internal::inference::cpu {
namespace {

// Rows per part; its first rows need rows that the previous part has computed as well.
constexpr std::int32_t rows_of_part = 8;
constexpr std::size_t max_links = 16;

class row_stream final : public bound_step {
public:
    explicit row_stream(std::vector<std::unique_ptr<row_step>> links) : links_(std::move(links)) {
        for (const auto& l : links_) {
            scratch_at_.push_back(scratch_);
            scratch_ += (l->scratch() + channel_step - 1) / channel_step * channel_step;
        }
    }

    std::int32_t parts() const override { return (links_.back()->rows() + rows_of_part - 1) / rows_of_part; }
    std::size_t scratch() const override { return scratch_; }

    void run(std::int32_t picture, std::int32_t from, std::int32_t to, float* scratch) const override {
        const std::int32_t end = std::min(to * rows_of_part, links_.back()->rows());
        std::int32_t next[max_links];
        std::int32_t first = from * rows_of_part;
        for (std::size_t i = links_.size(); i-- > 0;) {
            next[i] = first;
            first = links_[i]->needs(first).from;
            links_[i]->begin(scratch + scratch_at_[i]);
        }
        while (next[links_.size() - 1] < end)
            make_next(picture, links_.size() - 1, next, scratch);
    }

    step_cost cost() const override {
        step_cost all;
        for (const auto& l : links_) {
            all.operations += l->cost().operations;
            all.bytes += l->cost().bytes;
        }
        return all;
    }

private:
    // Computes the next row of a link, after the rows that it needs.
    void make_next(std::int32_t picture, std::size_t link, std::int32_t* next, float* scratch) const {
        const std::int32_t y = next[link];
        if (link > 0) {
            const std::int32_t needed = links_[link]->needs(y).to;
            while (next[link - 1] < needed)
                make_next(picture, link - 1, next, scratch);
        }
        links_[link]->run_row(picture, y, scratch + scratch_at_[link]);
        ++next[link];
    }

    const std::vector<std::unique_ptr<row_step>> links_;
    std::vector<std::size_t> scratch_at_;
    std::size_t scratch_ = 0;
};

}  // namespace

std::unique_ptr<bound_step> stream_rows(std::vector<std::unique_ptr<row_step>> links) {
    return std::make_unique<row_stream>(std::move(links));
}

}  // namespace faceflow::internal::inference::cpu
