//! What the layers of a pass have in common: which rows see which slots, checked and laid out once.

use candle_core::{DType, Result, Tensor, bail};

use super::attend::{Block, blocks};
use super::card::Lists;
use super::{Group, KvCache, card};
use crate::cpu::takes;

/// New positions of some texts: where each stands in its text, where it is written to, and what it sees. Made once for
/// all layers of a pass by [`KvCache::plan`]; on a card everything is sent there in one copy.
#[derive(Debug)]
pub struct Plan<'a> {
    pub(super) slots: Vec<u32>,
    positions: Tensor, // (rows)
    pub(super) sight: Sight<'a>,
}

/// The lists, as those need them who read them.
#[derive(Debug)]
pub(super) enum Sight<'a> {
    /// The kernel for the CPU.
    Blocks(Vec<Block<'a>>),
    /// The kernel for cards.
    Card(Lists),
    /// Candle's operations.
    Groups(Vec<Group<'a>>),
}

impl Plan<'_> {
    /// New positions.
    pub fn rows(&self) -> usize {
        self.slots.len()
    }

    /// The slot that each row is written to: (rows)
    pub fn slots(&self) -> &[u32] {
        &self.slots
    }

    /// Where each row stands in its text: (rows), u32, where the cache lies.
    pub fn positions(&self) -> &Tensor {
        &self.positions
    }
}

impl KvCache {
    /// A plan for rows at these `positions` of their texts, which are written to these `slots` (no two to the same), and
    /// together are the rows of the `groups`, in order.
    pub fn plan<'a>(&self, positions: &[u32], slots: &[u32], groups: &[Group<'a>]) -> Result<Plan<'a>> {
        let rows: usize = groups.iter().map(|group| group.own.len()).sum();
        if rows != slots.len() || rows != positions.len() {
            bail!("{rows} rows at {} positions for {} slots", positions.len(), slots.len());
        }
        self.check(slots)?;
        for group in groups {
            self.check(group.shared)?;
            for own in &group.own {
                self.check(own)?;
                if group.shared.is_empty() && own.is_empty() {
                    bail!("a row that sees nothing");
                }
            }
        }
        let Some(first) = self.layers.first() else { bail!("a cache of no layers") };
        let device = first.keys.device();
        if card::takes(&first.keys) {
            let lists = Lists::new(positions, slots, &blocks(groups, card::ROWS), device)?;
            let positions = lists.positions()?;
            return Ok(Plan { slots: slots.to_vec(), positions, sight: Sight::Card(lists) });
        }
        let sight = match takes(&first.keys) {
            true => Sight::Blocks(blocks(groups, super::attend::BLOCK)),
            false => Sight::Groups(groups.to_vec()),
        };
        let positions = Tensor::new(positions, device)?;
        debug_assert_eq!(positions.dtype(), DType::U32);
        Ok(Plan { slots: slots.to_vec(), positions, sight })
    }
}
