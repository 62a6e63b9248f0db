"""What the released M2Restore computes in evaluation, step by step, on its own weights.

Slow and literal, written from the description of the released code and of AdaIR's and Mamba's;
nothing of irbox is used.
"""

import torch
from torch.nn import functional as F


class Released:
    """``image``, and a prior's probabilities and content embedding, to the restored image."""

    def __init__(self, weights, heads=(1, 2, 4, 8)):
        self.weights, self.heads = weights, heads

    def has(self, key):
        return any(name.startswith(key) for name in self.weights)

    def layer(self, name, x, groups=1, stride=1, padding=0):
        weight, bias = self.weights[f'{name}.weight'], self.weights.get(f'{name}.bias')
        if weight.ndim == 2:
            return F.linear(x, weight, bias)
        return F.conv2d(x, weight, bias, stride=stride, padding=padding, groups=groups)

    def depthwise(self, name, x):
        return self.layer(name, x, groups=x.shape[1], padding=1)

    def norm(self, name, x):
        """LayerNorm over the channels of each pixel."""
        centred = x - x.mean(1, keepdim=True)
        variance = centred.square().mean(1, keepdim=True)
        weight, bias = (self.weights[f'{name}.{one}'].view(-1, 1, 1) for one in ('weight', 'bias'))
        return centred / (variance + 1e-5).sqrt() * weight + bias

    # Restormer's block.

    def attend(self, name, query, key, value, heads):
        shape = query.shape
        rows = shape[0], heads, shape[1] // heads, shape[2] * shape[3]
        query, key, value = (x.reshape(rows) for x in (query, key, value))
        query, key = F.normalize(query, dim=-1), F.normalize(key, dim=-1)
        scores = query @ key.transpose(-2, -1) * self.weights[f'{name}.temperature']
        return self.layer(f'{name}.project_out', (scores.softmax(-1) @ value).reshape(shape))

    def self_attention(self, name, x, heads):
        qkv = self.depthwise(f'{name}.qkv_dwconv', self.layer(f'{name}.qkv', x))
        return self.attend(name, *qkv.chunk(3, dim=1), heads)

    def cross_attention(self, name, asking, asked):
        query = self.depthwise(f'{name}.q_dwconv', self.layer(f'{name}.q', asking))
        both = self.depthwise(f'{name}.kv_dwconv', self.layer(f'{name}.kv', asked))
        return self.attend(name, query, *both.chunk(2, dim=1), 4)

    def feed_forward(self, name, x):
        x = self.depthwise(f'{name}.dwconv', self.layer(f'{name}.project_in', x))
        first, second = x.chunk(2, dim=1)
        return self.layer(f'{name}.project_out', F.gelu(first) * second)

    def blocks(self, name, x, heads):
        i = 0
        while self.has(f'{name}.{i}.'):
            block = f'{name}.{i}'
            x = x + self.self_attention(f'{block}.attn', self.norm(f'{block}.norm1.body', x), heads)
            x = x + self.feed_forward(f'{block}.ffn', self.norm(f'{block}.norm2.body', x))
            i += 1
        return x

    # Routed experts ("mcdb").

    def task_prompt(self, image):
        x = image
        for i, stride in ((0, 3), (2, 3), (4, 1), (6, 1), (8, 1)):
            x = self.layer(f'task_prompt.CondNet.{i}', x, stride=stride)
            x = F.leaky_relu(x, 0.1) if i < 8 else x
        shares = self.layer('task_prompt.lastOut', x.mean((2, 3))).softmax(-1)
        return F.gelu(shares @ self.weights['task_prompt.dictionary'])

    def experts(self, name, x, prompt, probabilities):
        prompt = self.layer(f'{name}.fc', prompt)
        bias = self.layer(f'{name}.model.degra_proj', probabilities)
        batch, _, height, width = x.shape
        out = []
        for b in range(batch):
            for row in range(height):
                for column in range(width):
                    pixel = x[b, :, row, column]
                    joint = torch.cat([pixel, prompt[b]])
                    scores = joint @ self.weights[f'{name}.model.w_g']
                    scores = scores + self.weights[f'{name}.model.gate_boost'] * bias[b]
                    best, chosen = scores.topk(2)
                    shares = best.softmax(-1)
                    mixed = 0
                    for share, expert in zip(shares, chosen.tolist(), strict=True):
                        hidden = F.gelu(self.layer(f'{name}.model.el.{expert}.fc1', pixel))
                        answer = self.layer(f'{name}.model.el.{expert}.fc2', hidden)
                        mixed = mixed + share * answer.exp()
                    # Zeros are replaced by the machine's epsilon before the logarithm.
                    mixed = torch.where(mixed == 0, torch.finfo(torch.float64).eps, mixed)
                    out.append(pixel + mixed.log())
        return torch.stack(out).view(batch, height, width, -1).permute(0, 3, 1, 2)

    # Mamba-CNN blocks ("latent").

    def mamba(self, name, x):
        """(B, L, C), pixel after pixel."""
        weights = {key: self.weights[f'{name}.{key}'] for key in ('A_log', 'D')}
        inner, states = weights['A_log'].shape
        u, gate = self.layer(f'{name}.in_proj', x).transpose(1, 2).chunk(2, dim=1)
        kernel, bias = self.weights[f'{name}.conv1d.weight'], self.weights[f'{name}.conv1d.bias']
        u = F.silu(F.conv1d(F.pad(u, (kernel.shape[-1] - 1, 0)), kernel, bias, groups=inner))
        projected = self.layer(f'{name}.x_proj', u.transpose(1, 2))
        rank = projected.shape[-1] - 2 * states
        step, write, read = projected.split([rank, states, states], dim=-1)
        step = F.softplus(self.layer(f'{name}.dt_proj', step))
        decay = -weights['A_log'].exp()
        state = torch.zeros(x.shape[0], inner, states)
        out = []
        for t in range(x.shape[1]):
            now = u[:, :, t]
            keep = (step[:, t, :, None] * decay).exp()
            state = keep * state + step[:, t, :, None] * write[:, t, None] * now[..., None]
            answer = (state * read[:, t, None]).sum(-1) + weights['D'] * now
            out.append(answer * F.silu(gate[:, :, t]))
        return self.layer(f'{name}.out_proj', torch.stack(out, dim=1))

    def dual_branch(self, name, x, content):
        height, width = x.shape[-2:]
        sequence = self.norm(f'{name}.norm', x).flatten(2).transpose(1, 2)
        scanned = self.mamba(f'{name}.mamba', sequence)
        scanned = self.norm(f'{name}.norm2', scanned.transpose(1, 2).unflatten(2, (height, width)))
        local = F.gelu(self.depthwise(f'{name}.conv_path.0', x))
        belief = F.gelu(self.layer(f'{name}.prompt_proj.0', content))
        belief = self.layer(f'{name}.prompt_proj.2', belief)[:, :, None, None].expand_as(x)
        gate = F.gelu(self.layer(f'{name}.gate_net.0', torch.cat([x, belief], dim=1)))
        gate = self.layer(f'{name}.gate_net.2', gate).sigmoid()
        return gate * scanned + (1 - gate) * local

    def latent(self, x, content):
        i = 0
        while self.has(f'latent.{i}.'):
            block = f'latent.{i}'
            x = x + self.dual_branch(f'{block}.ssm', self.norm(f'{block}.norm1.body', x), content)
            x = x + self.feed_forward(f'{block}.ffn', self.norm(f'{block}.norm2.body', x))
            i += 1
        return x

    # AdaIR's frequency block ("fre").

    def cut_offs(self, name, f):
        """How many frequencies to each side of zero are low, per image: rows, columns."""
        rate = F.gelu(self.layer(f'{name}.rate_conv.0', f.mean((2, 3), keepdim=True)))
        rate = self.layer(f'{name}.rate_conv.2', rate).sigmoid().flatten(1)
        height, width = f.shape[-2:]
        return [(int(height // 128 * r), int(width // 128 * c)) for r, c in rate.tolist()]

    def frequency(self, name, image, y):
        image = F.interpolate(image, y.shape[-2:], mode='bilinear')
        f = self.layer(f'{name}.conv1', image, padding=1)
        height, width = f.shape[-2:]
        low_mask = torch.zeros(f.shape[0], 1, height, width)
        for mask, (rows, columns) in zip(low_mask, self.cut_offs(name, f), strict=True):
            middle, centre = height // 2, width // 2
            mask[:, middle - rows : middle + rows, centre - columns : centre + columns] = 1
        spectrum = torch.fft.fft2(f).roll((height // 2, width // 2), dims=(2, 3))
        low, high = (
            torch.fft.ifft2((spectrum * mask).roll((-(height // 2), -(width // 2)), (2, 3))).abs()
            for mask in (low_mask, 1 - low_mask)
        )
        # The names are the wrong way round in the released code.
        high = self.cross_attention(f'{name}.channel_cross_l', high, y)
        low = self.cross_attention(f'{name}.channel_cross_h', low, y)
        refine = f'{name}.frequency_refine'
        peak, mean = high.amax(1, keepdim=True), high.mean(1, keepdim=True)
        where = torch.cat([peak, mean], dim=1)
        spatial = self.layer(f'{refine}.SpatialGate.spatial', where, padding=3).sigmoid()
        channel = 0
        for pooled in (low.mean((2, 3), keepdim=True), low.amax((2, 3), keepdim=True)):
            hidden = F.relu(self.layer(f'{refine}.ChannelGate.mlp.0', pooled))
            channel = channel + self.layer(f'{refine}.ChannelGate.mlp.2', hidden)
        agreed = self.layer(f'{refine}.proj', high * channel.sigmoid() + low * spatial)
        out = self.cross_attention(f'{name}.channel_cross_agg', y, agreed)
        return out * self.weights[f'{name}.para1'] + y * self.weights[f'{name}.para2']

    # The whole.

    def down(self, name, x):
        return F.pixel_unshuffle(self.layer(f'{name}.body.0', x, padding=1), 2)

    def up(self, name, x):
        return F.pixel_shuffle(self.layer(f'{name}.body.0', x, padding=1), 2)

    def __call__(self, image, probabilities, content):
        heads = self.heads
        prompt = self.task_prompt(image)
        x = self.layer('patch_embed.proj', image, padding=1)
        x = self.experts('mcdb1', x, prompt, probabilities)
        one = self.blocks('encoder_level1', x, heads[0])
        x = self.experts('mcdb2', self.down('down1_2', one), prompt, probabilities)
        two = self.blocks('encoder_level2', x, heads[1])
        x = self.experts('mcdb3', self.down('down2_3', two), prompt, probabilities)
        three = self.blocks('encoder_level3', x, heads[2])
        x = self.latent(self.down('down3_4', three), content)
        x = self.up('up4_3', self.frequency('fre1', image, x))
        x = self.layer('reduce_chan_level3', torch.cat([x, three], dim=1))
        x = self.frequency('fre2', image, self.blocks('decoder_level3', x, heads[2]))
        x = self.layer('reduce_chan_level2', torch.cat([self.up('up3_2', x), two], dim=1))
        x = self.frequency('fre3', image, self.blocks('decoder_level2', x, heads[1]))
        x = torch.cat([self.up('up2_1', x), one], dim=1)
        x = self.blocks('decoder_level1', x, heads[0])
        x = self.blocks('refinement', x, heads[0])
        return self.layer('output', x, padding=1) + image
