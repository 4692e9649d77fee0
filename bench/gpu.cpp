// SPDX-License-Identifier: Apache-2.0
// The stages' kernels and models on a device beside what it can copy and multiply: time of a launch, bytes and operations that it
// must at least take (costs.hpp), and the share of the device's own rates that this comes to. Device and links are measured in the
// same run. Frames take turns, so that they come from memory and not from a cache.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "analysis/figure.hpp"
#include "costs.hpp"
#include "device_copy.hpp"
#include "frame/layout.hpp"
#include "gpu_bed.hpp"
#include "gpu_models.hpp"
#include "report_file.hpp"

namespace {

using namespace faceflow;
using namespace faceflow::internal;
using namespace faceflow::internal::bench;
using nlohmann::ordered_json;

constexpr std::int32_t frame_width = 1920, frame_height = 1080, detect_width = 640, detect_height = 384;
constexpr std::int32_t crop_size = 192, most_faces = 32;

struct arguments {
    std::string device = "cuda", json, svg;
    int frames = 24;       // that take turns
    double seconds = 0.2;  // that each figure is measured for
    std::size_t copy_mib = 256;
    bool no_models = false;
};

// Copies: within the device (read plus written), and over the link.
std::vector<row> copies(bed& b, const arguments& a) {
    std::vector<row> rows;
    const std::size_t bytes = a.copy_mib << 20;
    std::byte *const from = b.memory(bytes), *const to = b.memory(bytes);
    rows.push_back(b.kernel("copy within the device", {2.0 * static_cast<double>(bytes), 0},
                            [&](std::size_t) { copy_within(b.work_stream(), to, from, bytes); }));
    const std::size_t frame = native_bytes(pixel_format::nv12, frame_width, frame_height);
    for (const auto& [size, what] : {std::pair{frame, "a 4:2:0 frame"}, {std::size_t{64} << 20, "64 MiB"}}) {
        const host_block host = b.staging(size);
        for (const auto& [way, name] :
             {std::pair{direction::host_to_device, "up"}, {direction::device_to_host, "down"}}) {
            rows.push_back(b.kernel(
                fmt::format("{}, {}, pinned", name, what), {static_cast<double>(size), 0},
                [&, d = way, n = size](std::size_t) { value_or_exit(transfer(b.work_stream(), d, to, host, n, {})); }));
        }
    }
    return rows;
}

// Frames of noise in device memory.
std::vector<image> frames_of(bed& b, pixel_format format, int count) {
    std::minstd_rand random(7);
    std::vector<std::uint8_t> bytes(native_bytes(format, frame_width, frame_height));
    std::vector<image> all;
    for (int i = 0; i < count; ++i) {
        for (auto& x : bytes)
            x = static_cast<std::uint8_t>(random() >> 8);
        image like;
        like.format = format;
        like.width = frame_width;
        like.height = frame_height;
        if (layout_of(format).rgb) like.matrix = colour_matrix::rgb;
        all.push_back(packed_at(like, b.upload(bytes.data(), bytes.size())));
    }
    return all;
}

// Faces of region_side pixels, turned a little, side by side.
vision::face_table faces_of(bed& b, int count) {
    std::vector<std::byte> bytes(vision::detection_set::bytes(static_cast<std::size_t>(count)));
    auto* set = new (bytes.data()) vision::detection_set;
    set->count = count;
    for (int i = 0; i < count; ++i) {
        vision::detection d;
        d.area = {200 + static_cast<float>(i % 8) * 210, 200 + static_cast<float>(i / 8) * 220,
                  static_cast<float>(region_side), 0.05f * static_cast<float>(i % 7)};
        d.box = {d.area.cx - 130, d.area.cy - 130, 260, 260};
        d.score = 0.9f;
        set->items()[i] = d;
    }
    vision::face_table t;
    t.frames = 1;
    t.of[0] = reinterpret_cast<vision::detection_set*>(b.upload(bytes));
    return t;
}

std::vector<row> sampling(bed& b, const arguments& a) {
    std::vector<row> rows;
    // As the models of that device want their pictures.
    const auto form =
        b.on().computes_on_host() ? vision::tensor_format::planar_float : vision::tensor_format::packed_half;
    const auto pixel = static_cast<double>(vision::bytes_per_pixel(form));
    vision::tensor_target input{nullptr, detect_width, detect_height, 2, -1, form};
    input.data = b.memory(input.bytes());
    vision::crop_target crops{nullptr, crop_size, most_faces, 1, 0, form};
    crops.data = b.memory(most_faces * crops.picture(nullptr).bytes());
    const vision::letterbox fit = vision::fit(frame_width, frame_height, detect_width, detect_height);
    for (const auto& [format, label] :
         {std::pair{pixel_format::nv12, "NV12"}, {pixel_format::i420, "I420"}, {pixel_format::bgr24, "BGR24"}}) {
        const auto frames = frames_of(b, format, a.frames);
        const auto turn = [&frames](std::size_t i) { return std::span(&frames[i % frames.size()], 1); };
        rows.push_back(b.kernel(fmt::format("letterbox/{}", label), letterbox_cost(format, pixel), [&](std::size_t i) {
            b.work().letterbox(b.work_stream(), turn(i), {&fit, 1}, input);
        }));
        for (const int count : {1, 4, 8, most_faces}) {
            const auto faces = faces_of(b, count);
            rows.push_back(b.kernel(fmt::format("crop/{}/faces:{}", label, count), crop_cost(format, count, pixel),
                                    [&](std::size_t i) {
                                        vision::crop_target some = crops;
                                        some.capacity = count;
                                        b.work().crop(b.work_stream(), turn(i), faces, 0, some);
                                    }));
        }
    }
    return rows;
}

// RetinaFace's outputs with `count` faces, each seen by ten cells of the finest level.
vision::detector_output outputs_with(bed& b, int count) {
    vision::detector_output o;
    o.levels = 3;
    o.fit = vision::fit(frame_width, frame_height, detect_width, detect_height);
    o.frame_width = frame_width;
    o.frame_height = frame_height;
    for (int i = 0; i < 3; ++i) {
        const int stride = 32 >> i;
        const std::int32_t columns = detect_width / stride, rows = detect_height / stride;
        const auto area = static_cast<std::size_t>(columns * rows);
        std::vector<float> scores(area * 4, 0.01f), boxes(area * 8, 0.1f), keypoints(area * 20, 0.1f);
        for (int f = 0; i == 2 && f < count; ++f) {
            for (std::size_t k = 0; k < 10; ++k)
                scores[2 * area + (static_cast<std::size_t>(f) * 37 + k / 5 * 80 + k % 5) % area] = 0.9f;
        }
        o.level[i] = {b.upload(scores),          b.upload(boxes), b.upload(keypoints), columns, rows, 2,
                      static_cast<float>(stride)};
    }
    return o;
}

std::vector<row> decisions(bed& b) {
    std::vector<row> rows;
    auto* scratch = reinterpret_cast<vision::detect_scratch*>(b.memory(sizeof(vision::detect_scratch)));
    for (const int count : {4, 100}) {
        const auto output = outputs_with(b, count);
        const auto found = faces_of(b, 100);
        rows.push_back(
            b.kernel(fmt::format("detect/faces:{}", count), detect_cost(10 * count, count), [&](std::size_t) {
                b.work().detect(b.work_stream(), {&output, 1}, {}, scratch, found);
            }));
    }
    const std::vector<float> landmarks(std::size_t{most_faces} * landmark_count * 3, 90.0f), scores(most_faces, 4.0f);
    constexpr std::size_t crop_floats = std::size_t{3} * crop_size * crop_size;
    const auto crops = reinterpret_cast<float*>(b.memory(most_faces * crop_floats * sizeof(float)));
    const vision::mesh_output mesh{b.upload(landmarks), b.upload(scores), nullptr,
                                   vision::planes(crops, crop_size, crop_size)};
    const vision::pass_results results{
        reinterpret_cast<vision::result_header*>(b.memory(vision::pass_results::bytes(1, most_faces))), 1};
    vision::mesh_options options;
    options.model_size = crop_size;
    options.frame_width = frame_width;
    options.frame_height = frame_height;
    for (const int count : {1, 4, 8, most_faces}) {
        const auto faces = faces_of(b, count);
        rows.push_back(b.kernel(fmt::format("finish/faces:{}", count), finish_cost(count), [&](std::size_t) {
            b.work().finish(b.work_stream(), {faces, 0, count}, mesh, {&options, 1}, results);
        }));
    }
    return rows;
}

struct report {
    std::string device;
    std::vector<row> copies, kernels;
    double matrix_flops = 0;  // a second
    std::vector<model_row> models;
    [[nodiscard]] double ceiling() const { return copies.front().bytes_per_second(); }
    [[nodiscard]] double share(const row& r) const { return r.bytes_per_second() / ceiling(); }
    // The least time that the device's two rates allow.
    [[nodiscard]] double floor_us(double bytes, double flops) const {
        const double arithmetic = matrix_flops > 0 ? flops / matrix_flops : 0;
        return std::max(bytes / ceiling(), arithmetic) * 1e6;
    }
};

void print(const report& r) {
    fmt::print("{}\n\n| copy | us | GB/s |\n| --- | ---: | ---: |\n", r.device);
    for (const row& c : r.copies)
        fmt::print("| {} | {:.2f} | {:.2f} |\n", c.name, c.us, c.bytes_per_second() / 1e9);
    fmt::print(
        "\n| kernel | us | MB | GB/s | of the copy rate | MFLOP | GFLOP/s |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n");
    for (const row& k : r.kernels) {
        fmt::print("| {} | {:.2f} | {:.3f} | {:.2f} | {:.1f} % | {:.3f} | {:.1f} |\n", k.name, k.us, k.cost.bytes / 1e6,
                   k.bytes_per_second() / 1e9, 100 * r.share(k), k.cost.flops / 1e6, k.flops_per_second() / 1e9);
    }
    if (r.models.empty()) return;
    fmt::print(
        "\nA product of matrices: {:.1f} TFLOP/s at the models' precision.\n\n"
        "| model/batch | us | us, by kernel | first run, ms | MFLOP | MB, fused | MB, unfused | floor us, fused | "
        "unfused | over the "
        "floor, fused | "
        "unfused |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        r.matrix_flops / 1e12);
    for (const model_row& m : r.models) {
        const double fused = r.floor_us(m.cost.fused_bytes, m.cost.flops),
                     unfused = r.floor_us(m.cost.unfused_bytes, m.cost.flops);
        fmt::print(
            "| {} | {:.1f} | {:.1f} | {:.0f} | {:.0f} | {:.1f} | {:.1f} | {:.1f} | {:.1f} | {:.1f} x | {:.1f} x |\n",
            m.name, m.us(), m.by_kernel_us, m.first_ms, m.cost.flops / 1e6, m.cost.fused_bytes / 1e6,
            m.cost.unfused_bytes / 1e6, fused, unfused, m.us() / fused, m.us() / unfused);
    }
}

ordered_json json_of(const report& r) {
    ordered_json j{{"device", r.device}, {"copy_bytes_per_second", r.ceiling()}};
    for (const row& c : r.copies)
        j["copies"].push_back({{"name", c.name}, {"us", c.us}, {"bytes_per_second", c.bytes_per_second()}});
    for (const row& k : r.kernels) {
        j["kernels"].push_back({{"name", k.name},
                                {"us", k.us},
                                {"bytes", k.cost.bytes},
                                {"flops", k.cost.flops},
                                {"bytes_per_second", k.bytes_per_second()},
                                {"of_copy_rate", r.share(k)}});
    }
    j["matrix_flops_per_second"] = r.matrix_flops;
    j["models"] = ordered_json::array();
    for (const model_row& m : r.models) {
        j["models"].push_back({{"name", m.name},
                               {"first_ms", m.first_ms},
                               {"by_kernel_us", m.by_kernel_us},
                               {"graph_us", m.graph_us},
                               {"flops", m.cost.flops},
                               {"fused_bytes", m.cost.fused_bytes},
                               {"unfused_bytes", m.cost.unfused_bytes},
                               {"fused_floor_us", r.floor_us(m.cost.fused_bytes, m.cost.flops)},
                               {"unfused_floor_us", r.floor_us(m.cost.unfused_bytes, m.cost.flops)}});
    }
    return j;
}

std::string svg_of(const report& r) {
    analysis::bar_chart time{"Time of a launch", "lower is better", {}},
        share{"Share of the copy rate", "higher is better", {}};
    for (const row& k : r.kernels) {
        time.bars.push_back({k.name, fmt::format("{:.1f} us", k.us), k.us});
        share.bars.push_back({k.name, fmt::format("{:.1f} %", 100 * r.share(k)), r.share(k)});
    }
    return analysis::render_bars("Kernels", r.device, std::array{std::move(time), std::move(share)});
}

}  // namespace

int main(int argc, char** argv) {
    arguments a;
    CLI::App app("Measures the stages' kernels and models on a device beside what it can copy and multiply");
    app.add_option("--device", a.device, "cuda[:I], emulated or cpu")->capture_default_str();
    app.add_option("--frames", a.frames, "frames of each format that take turns")->check(CLI::Range(1, 64));
    app.add_option("--seconds", a.seconds, "for each figure")->check(CLI::Range(0.0, 10.0));
    app.add_option("--copy-mib", a.copy_mib, "size of the copy within the device")->check(CLI::Range(64, 512));
    app.add_flag("--no-models", a.no_models, "kernels and copies alone");
    app.add_option("--json", a.json, "write the figures there, too");
    app.add_option("--svg", a.svg, "and a figure there");
    CLI11_PARSE(app, argc, argv);

    report r;
    {
        bed b(a.device, a.seconds);
        r.device = b.on().description();
        r.copies = copies(b, a);
        r.kernels = sampling(b, a);
        for (auto& more : decisions(b))
            r.kernels.push_back(std::move(more));
        if (!a.no_models) {
            r.matrix_flops = matrix_rate(b);
            r.models = model_rows(b);
        }
    }
    print(r);
    return write_report(a.json, json_of(r).dump(2) + "\n") && write_report(a.svg, svg_of(r)) ? 0 : 1;
}
