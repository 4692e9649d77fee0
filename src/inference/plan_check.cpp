// SPDX-License-Identifier: Apache-2.0
#include "inference/plan_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/printable.hpp"

namespace faceflow::internal::inference {
namespace {

constexpr std::size_t max_entries = 4096;  // limit for maps, vectors and steps each
constexpr std::int32_t max_channels = 8192, max_side = 1 << 14, max_multiple = 1024;
constexpr std::int64_t max_values = 1 << 28;  // limit for a map of fixed size, and for a vector
constexpr std::size_t longest_name = 256;
constexpr std::int32_t max_mixer = 4096;  // limit for each size of a mixer
constexpr std::int32_t mesh_landmarks = 468, all_landmarks = 478;

// A map's size as a fraction of the input's, or in pixels (down: 0).
struct map_size {
    std::int32_t down = 0, height = 0, width = 0;
    friend bool operator==(const map_size&, const map_size&) = default;
};

std::optional<map_size> smaller(const map_size& s, std::int32_t by) {
    if (s.down > 0) return map_size{s.down * by, 0, 0};
    if (s.height % by != 0 || s.width % by != 0) return std::nullopt;
    return map_size{0, s.height / by, s.width / by};
}

// Each check returns false on an error, which stays in problem().
class plan_checker {
public:
    explicit plan_checker(const plan& p) : p_(p), written_(p.vectors.size()), by_cell_(p.vectors.size()) {}

    [[nodiscard]] const std::string& problem() const { return problem_; }

    bool all() {
        if (!counts() || !input()) return false;
        for (const auto& m : p_.maps) {
            if (!map(m)) return false;
        }
        for (const auto& v : p_.vectors) {
            if (!vector(v)) return false;
        }
        for (const auto& s : p_.steps) {
            ++step_;
            if (!std::visit([this](const auto& step) { return check(step); }, s)) return false;
        }
        step_ = -1;
        return nothing_left() &&
               expect(std::all_of(p_.weights.begin(), p_.weights.end(), [](float w) { return std::isfinite(w); }),
                      "a weight is not a finite number");
    }

private:
    template <class... Args>
    bool expect(bool ok, fmt::format_string<Args...> what, Args&&... args) {
        if (ok) return true;
        if (step_ >= 0) problem_ = fmt::format("step {}: ", step_);
        problem_ += fmt::format(what, std::forward<Args>(args)...);
        return false;
    }

    bool counts() {
        return expect(std::max({p_.maps.size(), p_.vectors.size(), p_.steps.size()}) <= max_entries,
                      "more than {} maps, vectors or steps", max_entries);
    }

    bool input() {
        const auto& in = p_.input;
        const bool fixed = in.height > 0 && in.width > 0 && in.height <= max_side && in.width <= max_side;
        return expect(fixed || (in.height == 0 && in.width == 0), "an input of {} x {}", in.height, in.width) &&
               expect(in.multiple >= 1 && in.multiple <= max_multiple, "an input of any multiple of {}", in.multiple) &&
               expect(in.name.size() <= longest_name, "the input's name is {} bytes long", in.name.size()) &&
               expect(std::isfinite(in.scale) && std::isfinite(in.bias), "colours that are not finite");
    }

    bool map(const plan_map& m) {
        const std::string name = printable(m.name);
        if (!expect(m.name.size() <= longest_name, "a map's name is {} bytes long", m.name.size()) ||
            !expect(m.channels > 0 && m.channels <= max_channels, "map {} has {} channels", name, m.channels)) {
            return false;
        }
        filled_.emplace_back(static_cast<std::size_t>(m.channels));
        if (m.down != 0) {
            const auto& in = p_.input;
            const bool whole = m.down > 0 && (in.height > 0 ? in.height % m.down == 0 && in.width % m.down == 0
                                                            : in.multiple % m.down == 0);
            return expect(m.height == 0 && m.width == 0, "map {} is of two sizes", name) &&
                   expect(whole, "map {} is 1/{} of an input that this does not divide", name, m.down);
        }
        const bool sides = m.height > 0 && m.width > 0 && m.height <= max_side && m.width <= max_side;
        return expect(sides, "map {} is {} x {}", name, m.height, m.width) &&
               expect(std::int64_t{m.height} * m.width * m.channels <= max_values, "map {} is too large", name);
    }

    bool vector(const plan_vector& v) {
        return expect(v.name.size() <= longest_name, "a vector's name is {} bytes long", v.name.size()) &&
               expect(v.length > 0 && v.length <= max_values, "vector {} has {} numbers", printable(v.name), v.length);
    }

    // Checks that some step has written everything.
    bool nothing_left() {
        for (std::size_t i = 0; i < p_.maps.size(); ++i) {
            if (!expect(whole(i), "no step fills map {}", printable(p_.maps[i].name))) return false;
        }
        for (std::size_t i = 0; i < p_.vectors.size(); ++i) {
            if (!expect(written_[i], "no step writes vector {}", printable(p_.vectors[i].name))) return false;
        }
        return true;
    }

    [[nodiscard]] bool whole(std::size_t map) const {
        return std::all_of(filled_[map].begin(), filled_[map].end(), [](bool f) { return f; });
    }

    [[nodiscard]] map_size size(tensor_index x) const {
        const auto& in = p_.input;
        if (x < 0) return in.height > 0 ? map_size{0, in.height, in.width} : map_size{1, 0, 0};
        const auto& m = p_.maps[static_cast<std::size_t>(x)];
        if (m.down > 0 && in.height > 0) return {0, in.height / m.down, in.width / m.down};
        return {m.down, m.height, m.width};
    }

    [[nodiscard]] std::int32_t channels(tensor_index x) const {
        return x < 0 ? 3 : p_.maps[static_cast<std::size_t>(x)].channels;
    }

    [[nodiscard]] std::int32_t length(tensor_index v) const { return p_.vectors[static_cast<std::size_t>(v)].length; }

    bool is_map(tensor_index x) {
        return expect(x >= 0 && static_cast<std::size_t>(x) < p_.maps.size(), "there is no map {}", x);
    }

    bool is_vector(tensor_index v) {
        return expect(v >= 0 && static_cast<std::size_t>(v) < p_.vectors.size(), "there is no vector {}", v);
    }

    bool reads_map(tensor_index x) {
        return is_map(x) && expect(whole(static_cast<std::size_t>(x)), "reads map {} before all of it is written",
                                   printable(p_.maps[static_cast<std::size_t>(x)].name));
    }

    bool reads_vector(tensor_index v) {
        if (!is_vector(v)) return false;
        const auto i = static_cast<std::size_t>(v);
        return expect(written_[i], "reads vector {} before it is written", printable(p_.vectors[i].name)) &&
               expect(!by_cell_[i], "reads vector {}, whose length depends on a map's", printable(p_.vectors[i].name));
    }

    bool writes_map(tensor_index y, std::int32_t from, std::int32_t count) {
        if (!is_map(y) || !expect(from >= 0 && count > 0 && from <= channels(y) - count,
                                  "fills channels {} and {} more of a map of {}", from, count, channels(y))) {
            return false;
        }
        auto& filled = filled_[static_cast<std::size_t>(y)];
        for (auto c = static_cast<std::size_t>(from);
             c < static_cast<std::size_t>(from) + static_cast<std::size_t>(count); ++c) {
            if (!expect(!filled[c], "fills channel {} of a map a second time", c)) return false;
            filled[c] = true;
        }
        return true;
    }

    bool writes_vector(tensor_index v, std::int64_t count) {
        if (!is_vector(v) || !expect(length(v) == count, "writes {} numbers to a vector of {}", count, length(v)) ||
            !expect(!written_[static_cast<std::size_t>(v)], "writes vector {} a second time", v)) {
            return false;
        }
        written_[static_cast<std::size_t>(v)] = true;
        return true;
    }

    bool slice(const plan_slice& s, std::int64_t count, std::string_view what) {
        const auto have = static_cast<std::int64_t>(p_.weights.size());
        return expect(s.length == count, "{} {} where there must be {}", s.length, what, count) &&
               expect(s.offset >= 0 && s.offset % 16 == 0 && count <= have && s.offset <= have - count,
                      "{} at {}, of {} in the plan", what, s.offset, have);
    }

    bool unused(const plan_slice& s, std::string_view what) {
        return expect(s.offset == -1 && s.length == 0, "{} that nothing asks for", what);
    }

    // `count` of -1: any number.
    bool numbers(const plan_slice& s, std::int64_t count, std::int32_t least, std::int32_t below,
                 std::string_view what) {
        const auto have = static_cast<std::int64_t>(p_.numbers.size());
        if (!expect(count < 0 ? s.length > 0 : s.length == count, "{} {}", s.length, what) ||
            !expect(s.offset >= 0 && s.length <= have && s.offset <= have - s.length, "{} at {}, of {} in the plan",
                    what, s.offset, have)) {
            return false;
        }
        const auto values = p_.numbers_at(s);
        return expect(std::all_of(values.begin(), values.end(), [&](auto n) { return n >= least && n < below; }),
                      "{} that are not all from {} to {}", what, least, below - 1);
    }

    bool check(const plan_convolution& c) {
        return (c.x == -1 || reads_map(c.x)) && is_map(c.y) &&
               expect(c.inputs == channels(c.x), "reads {} channels of {}", c.inputs, channels(c.x)) && shape(c) &&
               weights(c) && joins(c) && writes_map(c.y, c.into, c.outputs);
    }

    bool shape(const plan_convolution& c) {
        const bool wide = c.kernel > 1 || c.depthwise;
        const bool known =
            c.kernel == 1 || (c.kernel == 3 && !c.depthwise) || (c.kernel == 5 && c.x < 0 && !c.depthwise);
        const auto expected = [&] { return smaller(size(c.x), c.pool_first ? 2 : c.stride); };
        return expect(c.outputs > 0 && c.outputs <= max_channels, "makes {} channels", c.outputs) &&
               expect(known, "a kernel of {}{}", c.kernel, c.depthwise ? " after a depthwise one" : "") &&
               expect(c.stride == 1 || (c.stride == 2 && wide), "a stride of {}", c.stride) &&
               expect(c.pad >= 0 && c.pad <= (c.depthwise ? 1 : c.kernel / 2), "padding of {}", c.pad) &&
               expect(!c.pool_first || !wide, "pools before a wider kernel than 1") &&
               expect(c.depthwise || !c.depthwise_relu, "an activation of a depthwise convolution that is not there") &&
               expect(expected() == size(c.y), "its output does not fit the size of map {}", c.y);
    }

    bool weights(const plan_convolution& c) {
        const bool depthwise =
            c.depthwise
                ? slice(c.depthwise_weights, std::int64_t{9} * c.inputs, "depthwise weights") &&
                      slice(c.depthwise_bias, c.inputs, "depthwise biases")
                : unused(c.depthwise_weights, "depthwise weights") && unused(c.depthwise_bias, "depthwise biases");
        return depthwise && slice(c.weights, std::int64_t{c.kernel} * c.kernel * c.inputs * c.outputs, "weights") &&
               slice(c.bias, c.outputs, "biases") &&
               (c.act == activation::prelu ? slice(c.slopes, c.outputs, "slopes") : unused(c.slopes, "slopes"));
    }

    bool joins(const plan_convolution& c) {
        if (c.join == joining::none) {
            return expect(c.joined == -1 && !c.joined_first, "a map that is joined in no way");
        }
        if (!reads_map(c.joined)) return false;
        const auto mine = size(c.y), theirs = size(c.joined);
        const bool larger = c.join == joining::doubled || c.join == joining::smoothed;
        const bool fits = c.join == joining::same ? mine == theirs
                          : larger                ? smaller(mine, 2) == theirs
                                                  : smaller(theirs, 2) == mine;
        return expect(fits, "joins map {}, which does not fit in size", c.joined) &&
               expect(channels(c.joined) <= c.outputs, "joins {} channels to {}", channels(c.joined), c.outputs);
    }

    bool check(const plan_head& h) {
        if (!reads_map(h.x) || !expect(h.inputs == channels(h.x), "reads {} channels of {}", h.inputs, channels(h.x)) ||
            !expect(h.outputs > 0 && h.outputs <= max_channels, "makes {} channels", h.outputs) ||
            !slice(h.weights, std::int64_t{h.inputs} * h.outputs, "weights") || !slice(h.bias, h.outputs, "biases")) {
            return false;
        }
        std::int32_t total = 0;
        for (const auto& part : h.parts) {
            if (!expect(part.name.size() <= longest_name, "a part's name is {} bytes long", part.name.size()) ||
                !expect(part.channels > 0 && part.channels <= h.outputs - total, "a part of {} channels",
                        part.channels) ||
                !expect(!part.pairs || (part.channels % 2 == 0 && !part.interleaved), "pairs of {} channels",
                        part.channels) ||
                !writes_vector(part.y, part.channels)) {
                return false;
            }
            by_cell_[static_cast<std::size_t>(part.y)] = true;
            total += part.channels;
        }
        return expect(total == h.outputs, "its parts take {} channels of {}", total, h.outputs);
    }

    bool check(const plan_dense& d) {
        if (!reads_map(d.x)) return false;
        const auto s = size(d.x);
        const auto all = std::int64_t{s.height} * s.width * channels(d.x);
        return expect(s.down == 0, "map {} has no fixed size", d.x) &&
               expect(d.inputs == all, "reads {} numbers of {}", d.inputs, all) &&
               expect(d.outputs > 0 && d.outputs <= (1 << 16), "makes {} numbers", d.outputs) &&
               slice(d.weights, std::int64_t{d.inputs} * d.outputs, "weights") && slice(d.bias, d.outputs, "biases") &&
               writes_vector(d.y, d.outputs);
    }

    bool has_landmarks(tensor_index base, std::int32_t more) {
        return reads_vector(base) &&
               expect(length(base) >= 3 * mesh_landmarks + more, "a base of {} numbers", length(base));
    }

    // The ratio of the input's size to the map's must be an integer, the same both ways.
    bool scales(tensor_index x) {
        const auto& in = p_.input;
        const auto s = size(x);
        return expect(in.height > 0, "looks again at an input of no fixed size") &&
               expect(
                   in.width % s.width == 0 && in.height % s.height == 0 && in.width / s.width == in.height / s.height,
                   "map {} is not a fraction of the input", x);
    }

    bool check(const plan_attention& a) {
        if (!reads_map(a.x) || !scales(a.x) || !has_landmarks(a.base, 0) ||
            !expect(a.side > 0 && a.side <= 64, "squares of {}", a.side) ||
            !expect(std::isfinite(a.margin) && a.margin > 0, "a margin of {}", a.margin) ||
            !slice(a.grid, std::int64_t{4} * a.side * a.side, "places of samples") ||
            !expect(!a.heads.empty(), "no heads") ||
            !writes_vector(a.transforms, 8 * static_cast<std::int64_t>(a.heads.size()))) {
            return false;
        }
        return std::all_of(a.heads.begin(), a.heads.end(), [&](const auto& h) {
            return is_map(h.y) &&
                   expect(size(h.y) == map_size{0, a.side, a.side}, "map {} is no square of {}", h.y, a.side) &&
                   expect(std::min(h.from, h.to) >= 0 && std::max(h.from, h.to) < mesh_landmarks,
                          "a line from landmark {} to {}", h.from, h.to) &&
                   numbers(h.spans, -1, 0, mesh_landmarks, "landmarks") &&
                   expect(channels(h.y) == channels(a.x), "{} channels of {}", channels(h.y), channels(a.x)) &&
                   writes_map(h.y, 0, channels(h.y));
        });
    }

    bool check(const plan_landmarks& l) {
        if (!has_landmarks(l.base, 1) || !reads_vector(l.transforms) ||
            !numbers(l.rest, all_landmarks, -1, mesh_landmarks, "landmarks that stay") ||
            !numbers(l.iris[0], -1, 0, mesh_landmarks, "landmarks around an iris") ||
            !numbers(l.iris[1], -1, 0, mesh_landmarks, "landmarks around an iris")) {
            return false;
        }
        const auto rest = p_.numbers_at(l.rest);
        std::vector<bool> given(all_landmarks);
        for (std::size_t i = 0; i < given.size(); ++i)
            given[i] = rest[i] >= 0;
        for (const auto& r : l.heads) {
            if (!refined(l, r, given)) return false;
        }
        return expect(std::all_of(given.begin(), given.end(), [](bool g) { return g; }),
                      "a landmark that nothing gives") &&
               writes_vector(l.landmarks, std::int64_t{3} * all_landmarks) && writes_vector(l.score, 1);
    }

    bool refined(const plan_landmarks& l, const plan_landmarks::refined& r, std::vector<bool>& given) {
        if (!reads_vector(r.x) || !expect(length(r.x) % 2 == 0, "points of {} numbers", length(r.x)) ||
            !expect(r.head >= 0 && r.head < length(l.transforms) / 8, "there is no transform {}", r.head) ||
            !numbers(r.targets, length(r.x) / 2, -1, all_landmarks, "places of points")) {
            return false;
        }
        for (const auto to : p_.numbers_at(r.targets)) {
            if (to < 0) continue;
            if (!expect(!given[static_cast<std::size_t>(to)], "landmark {} is given twice", to)) return false;
            given[static_cast<std::size_t>(to)] = true;
        }
        return true;
    }

    const plan& p_;
    std::vector<std::vector<bool>> filled_;  // the written channels of each map
    std::vector<bool> written_, by_cell_;    // per vector: written; written by heads, with a length per cell
    int step_ = -1;
    std::string problem_;

    bool product(const plan_mixer::product& p, std::int64_t inputs, std::int64_t outputs, std::string_view what) {
        return slice(p.weights, inputs * outputs, what) && slice(p.bias, outputs, what);
    }

    bool check(const plan_mixer& m) {
        const bool sizes =
            std::min({m.points, m.tokens, m.channels, m.token_hidden, m.channel_hidden, m.outputs}) > 0 &&
            std::max({m.points, m.tokens, m.channels, m.token_hidden, m.channel_hidden, m.outputs}) <= max_mixer &&
            m.tokens > 1;
        const auto& in = p_.input;
        return expect(p_.steps.size() == 1 && p_.maps.empty(), "a mixer beside other steps") &&
               expect(sizes, "a mixer of {} tokens, {} channels and {} points", m.tokens, m.channels, m.points) &&
               expect(in.height == m.points && in.width == 2, "an input of {} x {} for a mixer of {} points", in.height,
                      in.width, m.points) &&
               expect(std::isfinite(m.scale) && m.epsilon > 0 && std::isfinite(m.epsilon),
                      "a mixer's scale or epsilon") &&
               expect(m.layers.size() <= max_entries, "{} layers", m.layers.size()) &&
               product(m.embed_points, m.points, m.tokens - 1, "weights of points") &&
               product(m.embed_channels, 2, m.channels, "weights of channels") &&
               slice(m.first, m.channels, "numbers of the first token") &&
               std::ranges::all_of(m.layers, [&](const auto& l) { return layer(m, l); }) &&
               product(m.head, m.channels, m.outputs, "weights of the head") && writes_vector(m.y, m.outputs);
    }

    bool layer(const plan_mixer& m, const plan_mixer::layer& l) {
        return slice(l.token_norm, m.channels, "factors of a norm") &&
               slice(l.channel_norm, m.channels, "factors of a norm") &&
               product(l.token_in, m.tokens, m.token_hidden, "weights into tokens") &&
               product(l.token_out, m.token_hidden, m.tokens, "weights out of tokens") &&
               product(l.channel_in, m.channels, m.channel_hidden, "weights into channels") &&
               product(l.channel_out, m.channel_hidden, m.channels, "weights out of channels");
    }
};

}  // namespace

result<void> check_plan(const plan& p) {
    plan_checker checker(p);
    if (checker.all()) return {};
    return fail(errc::corrupt, fmt::format("the plan makes no sense: {}", checker.problem()));
}

}  // namespace faceflow::internal::inference
